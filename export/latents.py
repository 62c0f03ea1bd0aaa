"""Seeds -> latents. A seed belongs to one picture: alone or in a batch, in any later version, in any language.

Recipe, in 32-bit arithmetic so that it can be written again anywhere (JavaScript: Math.imul and >>> 0):

1. Block b of seed s is Philox 4x32-10 with counter (b, 0, 0, 0) and key (s, 0)
   (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 3.3).
   It gives four uint32 words x0 x1 x2 x3.
2. u = (x + 0.5) / 2^32 turns a word into a double strictly between 0 and 1.
3. Box-Muller in doubles on (u0, u1) and (u2, u3): r = sqrt(-2 ln u0), a = 2 pi u1, giving r cos a, r sin a
   (Box and Muller: A note on the generation of random normal deviates, 1958).
4. Blocks 0, 1, 2, ... give four normals each, in this order; the first Z of them, rounded to float32, are the latents.

Two maths libraries may differ in the last bit of a double's cosine; rounded to float32 that shows once in 10^8 numbers.

Then what can be done between latents: walks, grids, neighbours, sums, steps along a direction, children. All of it is
computed in doubles, and rounded to float32 at the end.
"""

import base64

import numpy as np

SEED_MAX = 2**32 - 1
RECIPE = "philox4x32-10, counter (block, 0, 0, 0), key (seed, 0); (x + 0.5) / 2^32; Box-Muller (cos, sin); float32"

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


class SeedError(ValueError):
    """Not a seed; its message is a sentence for the person who gave it."""


class LatentError(ValueError):
    """Not a latent, or not one of this generator; its message is a sentence."""


def parse_seed(text: object) -> int:
    """A seed as a person gives it ("7", 7, 7.0) -> an integer. Raises SeedError."""
    digits = str(text).strip().removesuffix(".0")
    # Digits alone: int() would also take "1_6" for 16. No seed has more of them than the largest.
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(SEED_MAX))
    seed = int(digits) if plain else -1
    if not 0 <= seed <= SEED_MAX:
        raise SeedError(f"A seed is a whole number from 0 to {SEED_MAX}; {str(text)[:40]!r} is not.")
    return seed


def parse_seeds(text: str, most: int) -> list[int]:
    """Seeds and ranges as a person gives them ("1-16" or "3,5,8-10") -> integers, at most `most`. Raises SeedError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-") if not part.strip().startswith("-") else (part, "", "")
        low = parse_seed(first)
        high = parse_seed(last) if dash else low
        if high < low:
            raise SeedError(f"The range {part.strip()} runs backwards; write {high}-{low}.")
        if len(seeds) + high - low + 1 > most:
            raise SeedError(f"At most {most} pictures can be asked for at once; {text[:40]!r} asks for more.")
        seeds += range(low, high + 1)
    return seeds


def philox4x32(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Ten rounds of Philox 4x32. counter: integers ...,4; key: integers ...,2 (each below 2^32) -> uint32 ...,4."""
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, np.uint64), -1, 0)
    k0, k1 = np.moveaxis(np.asarray(key, np.uint64), -1, 0)
    for _ in range(10):
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ k1,
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def seed_array(seeds) -> np.ndarray:
    """One seed or several -> uint64 N; what it gave before is given back. Raises SeedError."""
    if isinstance(seeds, np.ndarray) and seeds.dtype == np.uint64 and seeds.ndim == 1 and (seeds <= SEED_MAX).all():
        return seeds
    return np.array([parse_seed(seed) for seed in np.atleast_1d(np.asarray(seeds, dtype=object))], np.uint64)


def latents(seeds, latent_dim: int) -> np.ndarray:
    """Seeds (integers 0 to 2^32 - 1) -> standard normal latents, float32 N,Z."""
    seeds = seed_array(seeds)
    blocks = -(-latent_dim // 4)
    counter = np.zeros((len(seeds), blocks, 4), np.uint64)
    counter[..., 0] = np.arange(blocks)
    key = np.zeros((len(seeds), 1, 2), np.uint64)
    key[..., 0] = seeds[:, None]
    uniform = (philox4x32(counter, key) + 0.5) / 2.0**32
    radius, angle = np.sqrt(-2 * np.log(uniform[..., 0::2])), 2 * np.pi * uniform[..., 1::2]
    normals = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)  # N,blocks,2 pairs,2
    return normals.reshape(len(seeds), 4 * blocks)[:, :latent_dim].astype(np.float32)


def label_of_seed(seeds, classes: int) -> np.ndarray:
    """The class int64 N that seeds draw when none is asked for: seed modulo K, so that neighbours show every class."""
    return (seed_array(seeds) % np.uint64(classes)).astype(np.int64)


def uniforms(seed: int, n: int) -> np.ndarray:
    """n numbers float64 strictly between 0 and 1 of a seed, none of them in its latents: their key is (seed, 1)."""
    counter = np.zeros((-(-n // 4), 4), np.uint64)
    counter[:, 0] = np.arange(len(counter))
    return (philox4x32(counter, np.array([parse_seed(seed), 1])).ravel()[:n] + 0.5) / 2.0**32


# --- between latents -----------------------------------------------------------------------------------------------


def truncate(z: np.ndarray, psi: float | np.ndarray) -> np.ndarray:
    """Latents float32 drawn towards their mean, 0: psi 1 leaves them, psi 0 makes all of them one."""
    return z * np.float32(psi)


def slerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """The latents at the share t of the way from a to b along a great circle, float32; a, b: ...,Z, t: ... or a number.

    sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, where w is the angle between them; straight where it is 0 or pi
    (Shoemake: Animating rotation with quaternion curves, 1985). A straight line would pass through latents shorter than
    any that a generator has learnt from (White: Sampling generative networks, 2016, section 2.1).
    """
    a, b, t = np.asarray(a, np.float64), np.asarray(b, np.float64), np.asarray(t, np.float64)[..., None]
    lengths = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True)
    cosine = (a * b).sum(-1, keepdims=True) / np.where(lengths > 0, lengths, 1)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    round_way = (sine > 1e-6) & (lengths > 0)
    sine = np.where(round_way, sine, 1)
    first = np.where(round_way, np.sin((1 - t) * angle) / sine, 1 - t)
    second = np.where(round_way, np.sin(t * angle) / sine, t)
    return (first * a + second * b).astype(np.float32)


def walk(stops: np.ndarray, n: int) -> np.ndarray:
    """n latents on a closed walk through the stops, float32 n,Z: evenly spaced, from the first round to the first."""
    place = np.arange(n) * len(stops) / n
    begin = place.astype(int)
    return slerp(stops[begin], stops[(begin + 1) % len(stops)], place - begin)


def grid(corners: np.ndarray, side: int) -> np.ndarray:
    """Latents float32 side*side,Z by rows between four corners 4,Z: top left, top right, bottom left, bottom right."""
    across, down = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    top, bottom = (slerp(left, right, across.ravel()) for left, right in (corners[:2], corners[2:]))
    return slerp(top, bottom, down.ravel())


def near(z: np.ndarray, seeds, amount: float) -> np.ndarray:
    """Neighbours of a latent Z, float32 N,Z: for each seed, `amount` (0 to 1) of the way from it to the seed's own."""
    return slerp(z, latents(seeds, len(z)), amount)


def lengthened(z: np.ndarray) -> np.ndarray:
    """The latent Z made as long as seeds' latents are, sqrt(Z), unless it is nought."""
    length = np.linalg.norm(z.astype(np.float64))
    return (z * (np.sqrt(len(z)) / length)).astype(np.float32) if length > 0 else z.astype(np.float32)


def mix(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """mean(A) - mean(B) + mean(C) of latents n,Z each, float32 Z (Radford et al. 2015, section 6.3.2).

    The paper averages three latents each; the sum is then about as long as one of them, and is made so for any number.
    """
    means = [np.asarray(z, np.float64).mean(0) for z in (a, b, c)]
    return lengthened(means[0] - means[1] + means[2])


def steer(z: np.ndarray, directions: np.ndarray, amounts) -> np.ndarray:
    """The latent Z moved by amounts K along directions K,Z of length 1 (seeds spread by 1 along each)."""
    moved = z.astype(np.float64) + np.asarray(amounts, np.float64) @ np.asarray(directions, np.float64)
    return moved.astype(np.float32)


def couples(P: int, seeds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whose children `breed` makes of P parents, for N seeds: the numbers N of one and of the other parent, and the
    share N of the way from the one to the other. It is told by three `uniforms` of each seed.
    """
    u = np.array([uniforms(seed, 3) for seed in seeds]).reshape(-1, 3)
    one = (u[:, 0] * P).astype(int)
    return one, (one + 1 + (u[:, 1] * (P - 1)).astype(int)) % P, u[:, 2]


def breed(parents: np.ndarray, seeds, mutation: float) -> tuple[np.ndarray, np.ndarray]:
    """Children of latents P,Z, one a seed: float32 N,Z, and the number N of the parent that each is nearer to.

    A child lies somewhere between two of them (or is the only one), then moves `mutation` (0 to 1) of the way to the
    latent of its own seed. Which two and where is told by `couples`.
    """
    one, other, share = couples(len(parents), seeds)
    between = slerp(parents[one], parents[other], share)
    return slerp(between, latents(seeds, parents.shape[1]), mutation), np.where(share < 0.5, one, other)


# --- latents as text -----------------------------------------------------------------------------------------------


def pack(z: np.ndarray) -> str:
    """A latent Z as text for links and recipes: its numbers in 16 bits (float16, little-endian), as base64 for URLs."""
    return base64.urlsafe_b64encode(np.asarray(z, "<f2").tobytes()).rstrip(b"=").decode()


def unpack(text: str, latent_dim: int) -> np.ndarray:
    """What `pack` wrote -> latent float32 Z, to the last bit. Raises LatentError."""
    try:
        numbers = np.frombuffer(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), "<f2")
    except ValueError as error:
        raise LatentError(f"The latent {text[:40]!r} is damaged: it is not base64 of 16-bit numbers.") from error
    if len(numbers) != latent_dim:
        raise LatentError(f"This latent has {len(numbers)} numbers, and the generator takes {latent_dim}.")
    if not np.isfinite(numbers).all():
        raise LatentError(f"The latent {text[:40]!r} is damaged: not all of its numbers are finite.")
    return numbers.astype(np.float32)
