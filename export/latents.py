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
"""

import numpy as np

SEED_MAX = 2**32 - 1
RECIPE = "philox4x32-10, counter (block, 0, 0, 0), key (seed, 0); (x + 0.5) / 2^32; Box-Muller (cos, sin); float32"

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


class SeedError(ValueError):
    """Not a seed; its message is a sentence for the person who gave it."""


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
    """One seed or several -> uint64 N. Raises SeedError."""
    return np.array([parse_seed(seed) for seed in np.atleast_1d(np.asarray(seeds, dtype=object))], np.uint64)


def latents(seeds, latent_dim: int) -> np.ndarray:
    """Seeds (integers 0 to 2^32 - 1) -> standard normal latents, float32 N,Z."""
    seeds = seed_array(seeds)
    blocks = -(-latent_dim // 4)
    counter = np.zeros((len(seeds), blocks, 4), np.uint64)
    counter[..., 0] = np.arange(blocks)
    key = np.zeros((len(seeds), blocks, 2), np.uint64)
    key[..., 0] = seeds[:, None]
    uniform = (philox4x32(counter, key) + 0.5) / 2.0**32
    radius, angle = np.sqrt(-2 * np.log(uniform[..., 0::2])), 2 * np.pi * uniform[..., 1::2]
    normals = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)  # N,blocks,2 pairs,2
    return normals.reshape(len(seeds), 4 * blocks)[:, :latent_dim].astype(np.float32)


def label_of_seed(seeds, classes: int) -> np.ndarray:
    """The class int64 N that seeds draw when none is asked for: seed modulo K, so that neighbours show every class."""
    return (seed_array(seeds) % np.uint64(classes)).astype(np.int64)
