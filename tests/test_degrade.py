"""Degradation: what files and sizes do to pictures, alike for real and fake, and the same at each resumption."""

import numpy as np
import pytest
import torch
from drawing import scene
from PIL import Image
from processes import one_thread  # noqa: F401 - a fixture
from torch.nn import functional as F

from dcgan import degrade
from dcgan.degrade import augment, mix, passed_on, softeners, worn_copies
from dcgan.pixels import to_images, to_levels
from export.resave import encoded

pytestmark = pytest.mark.usefixtures("one_thread")


def photographs(n: int, size: int = 16, channels: int = 3) -> torch.Tensor:
    """uint8 N,C,S,S: corners of a scene with some grain."""
    rng, whole = np.random.default_rng(0), scene(4 * size, 4 * size).astype(int)
    corners = rng.integers(0, 3 * size, (n, 2))
    pixels = np.stack([whole[y : y + size, x : x + size] for y, x in corners])
    pixels = (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)[:, :channels].contiguous()


# --- softening ----------------------------------------------------------------------------------------------------


def test_the_first_softener_changes_nothing_and_none_changes_a_flat_picture():
    bank = softeners(28)
    assert torch.equal(bank[0], torch.eye(28))
    torch.testing.assert_close(bank.sum(2), torch.ones(len(bank), 28))
    images = to_images(photographs(3, 28))
    assert torch.equal(degrade.soften(images, torch.zeros(3, dtype=torch.int64), bank), images)
    for k in range(1, len(bank)):
        softened = degrade.soften(images, torch.full((3,), k), bank)
        assert 0.5 < softened.std() / images.std() < 1.05
        assert not torch.equal(softened, images)


def test_a_trip_to_half_the_size_is_what_pillow_makes_of_it():
    pixels = scene(32, 32)
    small = Image.fromarray(pixels).resize((16, 16), Image.Resampling.BILINEAR)
    expected = np.asarray(small.resize((32, 32), Image.Resampling.BILINEAR))
    images = to_images(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    found = to_levels(degrade.soften(images, torch.tensor([1]), softeners(32)))[0].permute(1, 2, 0).numpy()
    assert np.abs(found.astype(int) - expected).max() <= 2  # Pillow rounds twice


def test_a_blur_spreads_a_point_by_its_standard_deviation():
    line = degrade.blur(41, 1.2)[20].double()
    place = torch.arange(41) - 20
    assert (line * place).sum() == pytest.approx(0, abs=1e-6)
    assert (line * place**2).sum().sqrt() == pytest.approx(1.2, rel=0.01)


def test_each_picture_gets_its_own_softening_whatever_the_batch():
    images, bank = to_images(photographs(4)), softeners(16)
    which = torch.tensor([0, 3, 5, 9])
    together = degrade.soften(images, which, bank)
    for i in range(4):
        torch.testing.assert_close(together[i], degrade.soften(images[i : i + 1], which[i : i + 1], bank)[0])


# --- containers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_worse_quality_is_farther_from_the_picture(container, mode):
    picture = Image.fromarray(photographs(1, 64)[0].permute(1, 2, 0).numpy()).convert(mode)
    before = np.asarray(picture).astype(int)
    again = [encoded(picture, container, quality) for quality in (95, 60, 30)]
    assert {(p.mode, p.size) for p in again} == {(mode, (64, 64))}
    apart = [np.abs(np.asarray(p) - before).mean() for p in again]
    assert 0 < apart[0] < apart[1] < apart[2] < 20


def test_a_share_of_worn_copies_was_passed_on_carelessly(monkeypatch):
    monkeypatch.setattr(degrade, "SOFTENED", 0)
    monkeypatch.setattr(degrade, "QUALITIES", (95, 95))
    monkeypatch.setattr(degrade, "PASSED_ON", (95, 95))
    images = photographs(400)

    def careless(share: float) -> torch.Tensor:
        monkeypatch.setattr(degrade, "CARELESS", share)
        return worn_copies(images, (5, 0)).float()

    def roughness(worn: torch.Tensor) -> torch.Tensor:
        return worn.diff(dim=3).abs().mean((1, 2, 3))

    whole, some, every = (roughness(careless(share)) for share in (0.0, 0.25, 1.0))
    assert every.mean() < 0.75 * whole.mean()
    changed = some < 0.9 * whole
    assert changed.float().mean() == pytest.approx(0.25, abs=0.07)
    torch.testing.assert_close(some[changed].mean(), every[changed].mean(), rtol=0.1, atol=0)
    fine = careless(1.0)
    monkeypatch.setattr(degrade, "PASSED_ON", (30, 30))
    assert (careless(1.0) - fine).abs().mean() > 2  # a poorer JPEG, of the same


def test_worn_copies_are_the_same_for_a_seed_in_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(degrade, "BLOCK", 3)
    for channels in (1, 3):
        images = photographs(20, channels=channels)
        worn = worn_copies(images, (5, 0))
        torch.set_num_threads(3)
        assert torch.equal(worn_copies(images, (5, 0)), worn)
        torch.set_num_threads(1)
        assert not torch.equal(worn_copies(images, (5, 1)), worn)
        assert (worn.shape, worn.dtype) == (images.shape, torch.uint8)
        assert (worn != images).flatten(1).any(1).all()
        assert (worn.float() - images.float()).abs().mean((1, 2, 3)).max() < 40


def test_what_is_passed_on_has_been_small_and_a_poor_jpeg(monkeypatch):
    images = photographs(20)

    def passed(quality: int) -> np.ndarray:
        monkeypatch.setattr(degrade, "PASSED_ON", (quality, quality))
        return passed_on(images, (5, 0)).permute(0, 2, 3, 1).numpy().astype(int)

    for picture, found in zip(images, passed(40), strict=True):
        small = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((8, 8), Image.Resampling.BILINEAR)
        expected = encoded(small.resize((16, 16), Image.Resampling.BILINEAR), "JPEG", 40)
        assert np.array_equal(np.asarray(expected), found)
    lost = [np.abs(passed(quality) - passed(100)).mean() for quality in (80, 50, 30)]
    assert 0 < lost[0] < lost[1] < lost[2]
    monkeypatch.setattr(degrade, "PASSED_ON", (30, 50))
    assert torch.equal(passed_on(images, (5, 0)), passed_on(images, (5, 0)))
    assert not torch.equal(passed_on(images, (5, 0)), passed_on(images, (5, 1)))


def test_nothing_is_worn_of_nothing():
    for wear in (worn_copies, passed_on):
        assert wear(photographs(5)[:0], (0, 0)).shape == (0, 3, 16, 16)


# --- in each step -------------------------------------------------------------------------------------------------


def test_only_those_that_are_hit_change_and_all_stay_pictures():
    images, worn = to_images(photographs(400)), photographs(400).flip(0)
    hit = torch.arange(400) % 3 == 0
    torch.manual_seed(1)
    out = degrade.degrade(images, worn, hit, softeners(16))
    torch.manual_seed(1)
    assert torch.equal(degrade.degrade(images, worn, hit, softeners(16)), out)
    assert torch.equal(out[~hit], images[~hit])
    assert out.abs().max() <= 1
    as_they_are = (out[hit] == to_images(worn)[hit]).flatten(1).all(1).float().mean()
    assert as_they_are == pytest.approx((1 - degrade.SOFTENED_AGAIN) * (1 - degrade.NOISY), abs=0.1)


def test_noise_has_the_deviation_that_is_asked_for():
    images = torch.zeros(3, 1, 100, 100)
    noisy = degrade.add_noise(images, torch.tensor([0.0, 0.02, 0.05]))
    assert torch.equal(noisy[0], images[0])
    assert noisy[1].std() == pytest.approx(0.02, rel=0.05)
    assert noisy[2].std() == pytest.approx(0.05, rel=0.05)


# --- what a container gives away ----------------------------------------------------------------------------------


def told_apart(real: torch.Tensor, fake: torch.Tensor) -> float:
    """Balanced accuracy of a linear classifier of JPEG's own blocks, taught on the first half of each, asked about the
    second: it sees how large each of the 64 coefficients is, and how often next to nothing.
    """
    k = np.arange(8)
    transform = 0.5 * np.cos(np.pi * (2 * k + 1) * k[:, None] / 16) * np.where(k, 1, 0.5**0.5)[:, None]
    half, seen = len(real) // 2, []
    for pictures in (real, fake):
        blocks = pictures[:, 0].numpy().astype(float).reshape(len(pictures), 2, 8, 2, 8).transpose(0, 1, 3, 2, 4)
        size = np.abs(transform @ (blocks - 128) @ transform.T)
        parts = [(size < 1).mean((1, 2)), (size < 4).mean((1, 2)), np.log1p(size).mean((1, 2))]
        seen.append(np.concatenate([part.reshape(len(pictures), 64) for part in parts], 1))
    x, y = np.concatenate([rows[:half] for rows in seen]), np.repeat([1.0, -1.0], half)
    x = np.column_stack([x, np.ones(len(x))])
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
    says = [np.column_stack([rows[half:], np.ones(half)]) @ weights > 0 for rows in seen]
    return (says[0].mean() + 1 - says[1].mean()) / 2


@pytest.mark.parametrize(("container", "quality", "tells"), [("JPEG", 85, 0.95), ("WEBP", 75, 0.7)])
def test_a_container_gives_nothing_away_where_both_sides_are_re_encoded(container, quality, tells):
    """Real pictures as they are against the same kind re-saved: the only difference is the container."""
    pictures = photographs(2400, channels=1)
    real, others = pictures[:1200], pictures[1200:]
    files = (encoded(Image.fromarray(picture[0].numpy()), container, quality) for picture in others)
    resaved = torch.from_numpy(np.stack([np.array(file)[None] for file in files]))
    assert told_apart(real, resaved) > tells
    assert told_apart(worn_copies(real, (1,)), worn_copies(resaved, (2,))) == pytest.approx(0.5, abs=0.05)


# --- augmentation -------------------------------------------------------------------------------------------------


def test_augmentation_keeps_shapes_and_types():
    for shape in ((1, 1, 8, 8), (5, 3, 28, 28)):
        images = torch.rand(shape)
        assert augment(images, "flip").shape == shape
        assert augment(images, "flip").dtype == images.dtype


def test_augmentation_mirrors_half_and_shifts_by_up_to_two_pixels_all_alike():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 12, 12)
    out = augment(picture.expand(4000, -1, -1, -1).contiguous(), "flip")
    counts = torch.zeros(2, 2, 5, 5)  # first or second half of the batch (real or fake), mirrored, rows, columns
    for mirrored in (0, 1):
        padded = F.pad(picture.flip(3) if mirrored else picture, (2, 2, 2, 2), mode="replicate")
        for y in range(5):
            for x in range(5):
                same = (out == padded[:, :, y : y + 12, x : x + 12]).all((1, 2, 3))
                counts[0, mirrored, y, x], counts[1, mirrored, y, x] = same[:2000].sum(), same[2000:].sum()
    assert counts.sum() == 4000  # nothing else happens to a picture
    for half in counts:
        assert half[1].sum() / 2000 == pytest.approx(0.5, abs=0.05)
        assert half.min() > 15  # each of the 50 ways: 40 expected
        assert half.max() < 70


def test_augmentation_keeps_the_values_of_a_picture():
    images = torch.rand(50, 1, 9, 9)
    for before, after in zip(images, augment(images, "flip"), strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


def test_what_must_not_be_mirrored_is_not():
    images = torch.rand(200, 1, 9, 9)
    assert torch.equal(augment(images, "none"), images)
    moved = augment(images[:1].expand(200, -1, -1, -1), "shift")
    padded = F.pad(images[:1], (2, 2, 2, 2), mode="replicate")
    ways = [padded[:, :, y : y + 9, x : x + 9] for y in range(5) for x in range(5)]
    assert sum((moved == way).all((1, 2, 3)).sum() for way in ways) == 200


def test_of_mixed_pictures_the_target_is_anothers_as_far_as_the_pixels_are():
    torch.manual_seed(0)
    n = 2000
    images = torch.arange(n).float()[:, None, None, None].expand(n, 2, 12, 12).contiguous()  # each knows whose it is
    mixed, target = mix(images, torch.eye(n), 0.5)
    assert torch.equal(mixed[:, 0], mixed[:, 1])
    for i, (picture, shares) in enumerate(zip(mixed[:, 0], target, strict=True)):
        owners, pixels = picture.unique(return_counts=True)
        assert shares.count_nonzero() == len(owners) <= 2
        torch.testing.assert_close(shares[owners.long()], pixels / 144)
        of_another = picture != i
        rows, columns = of_another.any(1), of_another.any(0)
        assert torch.equal(of_another, rows[:, None] & columns)  # a rectangle, for the edge may cut the square
        for side in (rows, columns):
            assert (side.int().diff().abs().sum() + side[0] + side[-1]) in (0, 2)  # without a gap
    own = target.diagonal()
    assert (own == 1).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert own.min() < 0.1
    assert torch.equal(mix(images, torch.eye(n), 0.0)[0], images)
