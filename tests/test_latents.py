"""Seeds: the generator of random numbers is the published one, and a seed is one picture for ever."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from export.latents import (
    RECIPE,
    SEED_MAX,
    SeedError,
    label_of_seed,
    latents,
    parse_seed,
    parse_seeds,
    philox4x32,
)

VECTORS = Path(__file__).parent / "data" / "latents.json"
ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    assert philox4x32(np.array(counter), np.array(key)).tolist() == words


def by_hand(seed: int, latent_dim: int) -> list[float]:
    """The recipe in the module's docstring, written again with Python's integers and `math` alone."""
    numbers: list[float] = []
    for block in range(math.ceil(latent_dim / 4)):
        x, k = [block, 0, 0, 0], [seed, 0]
        for _ in range(10):
            a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
            x = [(b >> 32) ^ x[1] ^ k[0], b & ONES, (a >> 32) ^ x[3] ^ k[1], a & ONES]
            k = [(k[0] + 0x9E3779B9) & ONES, (k[1] + 0xBB67AE85) & ONES]
        u = [(word + 0.5) / 2**32 for word in x]
        for first, second in ((u[0], u[1]), (u[2], u[3])):
            r, angle = math.sqrt(-2 * math.log(first)), 2 * math.pi * second
            numbers += [r * math.cos(angle), r * math.sin(angle)]
    return numbers[:latent_dim]


@pytest.mark.parametrize("seed", [0, 1, 7, 123_456_789, 2**31, SEED_MAX])
def test_the_recipe_written_again_gives_the_same_latents(seed):
    np.testing.assert_array_max_ulp(latents([seed], 102)[0], np.array(by_hand(seed, 102), np.float32), maxulp=1)


def test_the_stored_latents_are_still_drawn():
    stored = json.loads(VECTORS.read_text())
    assert stored["recipe"] == RECIPE
    for seed, numbers in stored["latents"].items():
        np.testing.assert_array_max_ulp(latents([int(seed)], 8)[0], np.array(numbers, np.float32), maxulp=1)


def test_a_seed_draws_the_same_latent_alone_or_in_any_batch():
    batch = latents([5, 99, SEED_MAX, 5, 0], 100)
    for row, seed in zip(batch, [5, 99, SEED_MAX, 5, 0], strict=True):
        assert np.array_equal(row, latents([seed], 100)[0])
    assert np.array_equal(latents(np.arange(1000), 10)[321], latents(321, 10)[0])


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 4, 5, 99])
def test_a_shorter_latent_is_the_beginning_of_a_longer_one(latent_dim):
    assert np.array_equal(latents([3, 4], latent_dim), latents([3, 4], 100)[:, :latent_dim])


def test_latents_are_float32_rows():
    z = latents([1, 2, 3], 7)
    assert (z.shape, z.dtype) == ((3, 7), np.float32)
    assert latents([], 7).shape == (0, 7)


def test_latents_are_standard_normal():
    z = latents(np.arange(10_000), 100).astype(np.float64)
    assert abs(z.mean()) < 0.005
    assert abs(z.var() - 1) < 0.01
    assert abs((z**3).mean()) < 0.02
    assert abs((z**4).mean() - 3) < 0.05
    assert np.abs(z.mean(0)).max() < 0.05
    neighbours = np.corrcoef(z[:-1].ravel(), z[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.005
    correlations = np.corrcoef(z.T) - np.eye(100)
    assert np.abs(correlations).max() < 0.06


def test_latents_are_finite_to_the_last_seed():
    assert np.isfinite(latents([0, 1, SEED_MAX - 1, SEED_MAX], 4096)).all()


def test_neighbouring_seeds_show_every_class():
    assert label_of_seed(range(20, 30), 10).tolist() == list(range(10))
    assert label_of_seed([SEED_MAX], 7).tolist() == [SEED_MAX % 7]
    assert label_of_seed([3], 10).dtype == np.int64


@pytest.mark.parametrize(
    ("given", "seed"),
    [("7", 7), (" 7 ", 7), (7, 7), (7.0, 7), ("7.0", 7), ("0", 0), (SEED_MAX, SEED_MAX), (float(SEED_MAX), SEED_MAX)],
)
def test_a_seed_is_read_as_a_person_gives_it(given, seed):
    assert parse_seed(given) == seed


@pytest.mark.parametrize(
    "given", ["abc", "", " ", "-1", -1, 2**32, 2**40, "1e3", 7.5, "7.5", None, True, float("nan"), "9" * 5000, "1_6"]
)
def test_what_is_no_seed_is_refused_in_a_sentence(given):
    with pytest.raises(SeedError, match=r"^A seed is a whole number from 0 to 4294967295; .* is not\.$"):
        parse_seed(given)


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ("7", [7]),
        ("1-4", [1, 2, 3, 4]),
        ("3,5, 8-10", [3, 5, 8, 9, 10]),
        ("4 - 4", [4]),
        (f"{SEED_MAX}", [SEED_MAX]),
        ("2,2", [2, 2]),
    ],
)
def test_seeds_are_read_as_a_person_gives_them(given, seeds):
    assert parse_seeds(given, 64) == seeds


@pytest.mark.parametrize("given", ["", "1,,2", "abc", "-1", "1-", "1-2-3", "1--2", "-1-3", f"1-{2**40}", "1;2"])
def test_what_are_no_seeds_is_refused_in_a_sentence(given):
    with pytest.raises(SeedError, match="A seed is a whole number"):
        parse_seeds(given, 64)


def test_a_range_that_runs_backwards_is_refused_and_turned_round():
    with pytest.raises(SeedError, match=r"5-1 runs backwards; write 1-5\."):
        parse_seeds("5-1", 64)


@pytest.mark.parametrize("given", ["1-65", f"0-{SEED_MAX}", "1-64,70", ",".join(["1"] * 65)])
def test_too_many_seeds_are_refused_before_they_are_counted_out(given):
    with pytest.raises(SeedError, match="At most 64 pictures"):
        parse_seeds(given, 64)


def test_as_many_seeds_as_allowed_are_accepted():
    assert len(parse_seeds("1-64", 64)) == 64
