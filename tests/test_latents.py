"""Seeds: the generator of random numbers is the published one, and a seed is one picture for ever."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from export.latents import (
    RECIPE,
    SEED_MAX,
    LatentError,
    SeedError,
    breed,
    grid,
    label_of_seed,
    latents,
    lengthened,
    mix,
    near,
    pack,
    parse_seed,
    parse_seeds,
    philox4x32,
    slerp,
    steer,
    truncate,
    uniforms,
    unpack,
    walk,
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


# --- between latents -----------------------------------------------------------------------------------------------


def test_uniforms_lie_between_nought_and_one_and_are_not_those_of_the_latents():
    u = np.concatenate([uniforms(seed, 10) for seed in range(2000)])
    assert 0 < u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(u.var() - 1 / 12) < 0.002
    words = philox4x32(np.array([0, 0, 0, 0]), np.array([5, 0]))
    assert not np.allclose(uniforms(5, 4), (words + 0.5) / 2**32)
    assert np.array_equal(uniforms(5, 3), uniforms(5, 9)[:3])


def test_a_slerp_turns_evenly_and_begins_and_ends_where_it_should():
    a, b = np.array([3.0, 0]), np.array([0, 3.0])
    np.testing.assert_allclose(slerp(a, b, 1 / 3), [3 * math.cos(math.pi / 6), 3 * math.sin(math.pi / 6)], rtol=1e-6)
    z = latents([1, 2], 100)
    assert np.array_equal(slerp(z[0], z[1], 0.0), z[0])
    assert np.array_equal(slerp(z[0], z[1], 1.0), z[1])
    assert np.array_equal(slerp(z[0], z[1], np.array([0.25, 0.5]))[1], slerp(z[0], z[1], 0.5))


def test_a_slerp_keeps_the_length_where_a_straight_line_does_not():
    z = np.stack([lengthened(each) for each in latents([1, 2], 100)])
    half = slerp(z[0], z[1], 0.5)
    assert np.linalg.norm(half) == pytest.approx(10, abs=1e-4)
    assert np.linalg.norm(z.mean(0)) < 8


def test_a_slerp_between_equal_opposite_or_no_latents_is_a_straight_line():
    z = latents([1], 9)[0]
    np.testing.assert_allclose(slerp(z, z, 0.3), z, rtol=1e-6)
    np.testing.assert_allclose(slerp(z, -z, 0.25), z / 2, rtol=1e-5)
    np.testing.assert_allclose(slerp(z, np.zeros(9), 0.25), 0.75 * z, rtol=1e-6)


def test_a_walk_passes_its_stops_evenly_and_closes():
    stops = latents([1, 2, 3], 50)
    steps = walk(stops, 30)
    assert steps.shape == (30, 50)
    assert steps.dtype == np.float32
    assert np.array_equal(steps[[0, 10, 20]], stops)
    units = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    turns = np.arccos((units * np.roll(units, -1, 0)).sum(1))
    assert turns.max() < 0.25  # no jump, also not from the last to the first
    np.testing.assert_allclose(steps[25], slerp(stops[2], stops[0], 0.5), rtol=1e-5)


def test_a_walk_between_two_comes_back_the_way_it_went():
    steps = walk(latents([1, 2], 50), 8)
    np.testing.assert_allclose(steps[1:4], steps[:4:-1], rtol=1e-4, atol=1e-6)


def test_a_grid_has_its_corners_in_its_corners():
    corners = latents([1, 2, 3, 4], 20)
    square = grid(corners, 5).reshape(5, 5, 20)
    for place, corner in zip([(0, 0), (0, 4), (4, 0), (4, 4)], corners, strict=True):
        assert np.array_equal(square[place], corner)
    assert np.array_equal(square[0, 2], slerp(corners[0], corners[1], 0.5))
    np.testing.assert_allclose(square[2, 0], slerp(corners[0], corners[2], 0.5), rtol=1e-6)


def test_neighbours_are_as_near_as_asked():
    z = latents([7], 100)[0]
    assert np.array_equal(near(z, [1, 2], 0), np.stack([z, z]))
    assert np.array_equal(near(z, [1, 2], 1), latents([1, 2], 100))
    distances = [np.linalg.norm(near(z, [1], amount)[0] - z) for amount in (0.1, 0.2, 0.4, 0.8)]
    assert distances == sorted(distances)


def test_truncation_shrinks():
    z = latents([1, 2], 10)
    assert np.array_equal(truncate(z, 1.0), z)
    assert not truncate(z, 0.0).any()
    np.testing.assert_allclose(truncate(z, 0.7), 0.7 * z, rtol=1e-6)
    assert truncate(z, 0.7).dtype == np.float32


def test_a_mix_is_a_sum_of_means_as_long_as_a_latent():
    z = latents(range(9), 100)
    mixed = mix(z[:3], z[3:6], z[6:])
    assert np.linalg.norm(mixed) == pytest.approx(10, abs=1e-4)
    plain = z[:3].mean(0) - z[3:6].mean(0) + z[6:].mean(0)
    assert np.linalg.norm(plain) == pytest.approx(10, rel=0.2)  # three each: as the paper has it, without help
    np.testing.assert_allclose(mixed / 10, plain / np.linalg.norm(plain), atol=1e-6)
    np.testing.assert_allclose(mix(z[:2], z[4:5], z[4:5]), lengthened(z[:2].mean(0)), atol=1e-5)
    assert not mix(z[:1], z[:1], np.zeros((1, 100))).any()


def test_steering_moves_along_its_directions_and_nowhere_else():
    z, directions = latents([1], 4)[0], np.eye(4)[:2]
    np.testing.assert_allclose(steer(z, directions, [2, -0.5]) - z, [2, -0.5, 0, 0], atol=1e-6)
    assert np.array_equal(steer(z, directions, [0, 0]), z)


def test_children_lie_between_two_parents_and_mutation_takes_them_away():
    parents = latents([1, 2, 3], 100)
    children, nearer = breed(parents, range(200), 0.0)
    assert set(nearer) == {0, 1, 2}
    units = parents / np.linalg.norm(parents, axis=1, keepdims=True)
    shares = children @ units.T  # how much of each parent a child has
    assert (np.sort(shares, 1)[:, 0] < 4).all()  # next to nothing of the third
    assert (shares.argmax(1) == nearer).mean() > 0.9
    mutants, _ = breed(parents, range(200), 1.0)
    np.testing.assert_allclose(mutants, latents(range(200), 100), atol=1e-6)


def test_a_child_of_one_parent_is_its_neighbour():
    parent = latents([5], 30)
    children, nearer = breed(parent, [8, 9], 0.3)
    np.testing.assert_allclose(children, near(parent[0], [8, 9], 0.3), rtol=1e-5)
    assert nearer.tolist() == [0, 0]


def test_a_child_is_the_same_in_any_litter():
    parents = latents([1, 2], 20)
    assert np.array_equal(breed(parents, [4, 5, 6], 0.2)[0][1], breed(parents, [5], 0.2)[0][0])


# --- latents as text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [1, 8, 99, 100, 4096])
def test_a_packed_latent_comes_back_to_the_last_bit(latent_dim):
    z = latents([3], latent_dim)[0]
    text = pack(z)
    again = unpack(text, latent_dim)
    assert np.array_equal(again, z.astype(np.float16).astype(np.float32))
    assert pack(again) == text
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_packed_latent_is_as_documented():
    assert pack(np.array([1, -2, 0.5])) == "ADwAwAA4"  # 3c00 c000 3800, low byte first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("AAAA", "has 1 numbers|damaged"),
        (pack(np.zeros(7)), "has 7 numbers, and the generator takes 8"),
        (pack(np.full(8, np.inf)), "not all of its numbers are finite"),
        ("!" * 22, "not base64"),
        ("Überall", "not base64"),
        ("AAAAA", "not base64"),
    ],
)
def test_what_is_no_latent_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(LatentError, match=sentence):
        unpack(text, 8)
