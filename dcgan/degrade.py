"""What pictures go through on their way to a judge: other containers, other sizes, blur, noise.

Real and fake pictures go through the same, so that no trace of it speaks for either. Wang et al., CNN-generated images
are surprisingly easy to spot... for now, 2020, section 4.1, found that a detector that has learnt so also knows more
generators than those that it was taught.

Containers cost ten times what the rest does, and are made before a training, each picture's once (`worn_copies`, on
uint8). Blur, resampling and noise are drawn anew in each step (`degrade`, on images in [-1, 1]). Random numbers are
those of a seed there and of torch's global generator here, which a training seeds in each step.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from dcgan.augment import cut_out, happens
from dcgan.pixels import to_images, to_levels
from export.resave import encoded, shrunk

QUALITIES = (30, 95)  # of a lossy container, the lowest and the highest
CARELESS = 0.65  # share of the degraded pictures that careless hands passed on: at half the size, then a poor JPEG
PASSED_ON = (30, 50)  # its qualities, likewise
JPEGS = 0.7  # share of the other containers that are JPEG; what is left are WebP
SOFTENED = 0.5  # share of the other degraded pictures that are resampled or blurred before the container
SOFTENED_AGAIN = 0.15  # share of all degraded pictures that are after it
NOISY = 0.15  # share of the degraded pictures that get noise
LOUDEST = 8.0  # grey levels: the largest standard deviation of noise
FACTORS = (0.5, 0.6, 0.75, 0.9, 1.5, 2.0)  # of the side in which a picture has been meanwhile; half the size first
CURVES = ("bilinear", "bicubic")  # by which it came there and back
BLURS = (0.4, 0.6, 0.8, 1.0, 1.2)  # standard deviations in pixels
REACH = 2  # pixels by which a picture is shifted in each step
HALF_A_BLOCK = 4  # pixels, of JPEG's blocks, by which one is moved before its container
BLOCK = 256  # pictures that a thread re-encodes at once


# --- containers ---------------------------------------------------------------------------------------------------


def as_picture(levels: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Levels uint8 C,S,S, grey or RGB, after what is done to them as a picture."""
    picture = Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    pixels = np.array(change(picture))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def worn_copies(images: Tensor, seed: tuple[int, ...]) -> Tensor:
    """Images uint8 N,C,S,S -> uint8 N,C,S,S on the CPU: each moved, softened or not, in a container of its own quality;
    a share of them at half the size, and in a poor JPEG, which is the hardest that they meet often.

    Moved, because the blocks of a container that it may have been in before would else lie on those of the new one,
    and show through it.
    The same seed does the same to as many pictures, in any number of threads.
    """
    n, size, bank = len(images), images.shape[2], softeners(images.shape[2])
    rng = np.random.default_rng(seed)
    which = rng.integers(1, len(bank), n) * (rng.random(n) < SOFTENED)
    jpeg, subsampled = rng.random(n) < JPEGS, rng.random(n) < 0.5
    quality = rng.integers(QUALITIES[0], QUALITIES[1] + 1, n)
    careless = rng.random(n) < CARELESS
    which = np.where(careless, rng.integers(1, 1 + len(CURVES), n), which)
    quality = np.where(careless, rng.integers(PASSED_ON[0], PASSED_ON[1] + 1, n), quality)
    jpeg |= careless
    offset = torch.from_numpy(rng.integers(-HALF_A_BLOCK, HALF_A_BLOCK + 1, (n, 2)))
    worn = torch.empty(n, images.shape[1], size, size, dtype=torch.uint8)

    def contain(picture: Image.Image, i: int) -> Image.Image:
        colours = {"subsampling": 2 * int(subsampled[i])} if picture.mode == "RGB" else {}
        return encoded(picture, "JPEG" if jpeg[i] else "WEBP", int(quality[i]), **colours)

    def wear(start: int) -> int:
        rows = slice(start, min(start + BLOCK, n))
        moved = move(to_images(images[rows].cpu()), offset[rows])
        softened = to_levels(soften(moved, torch.from_numpy(which[rows]), bank)).numpy()
        for i, levels in enumerate(softened, start):
            worn[i] = torch.from_numpy(as_picture(levels, partial(contain, i=i)))
        return len(softened)

    threads = torch.get_num_threads()
    # Each worker is one thread: torch's own would only wait for each other.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    bar = tqdm(total=n, desc="Re-encoding pictures", unit="picture", leave=False, disable=None)
    with pool, bar:
        for done in pool.map(wear, range(0, n, BLOCK)):
            bar.update(done)
    torch.set_num_threads(threads)
    return worn


def passed_on(images: Tensor, seed: tuple[int, ...]) -> Tensor:
    """Images uint8 N,C,S,S -> uint8 N,C,S,S on the CPU, as careless hands pass them on: at half the size and back, by
    straight lines, then a JPEG of its own low quality, its colours at half the size.
    """
    quality = np.random.default_rng(seed).integers(PASSED_ON[0], PASSED_ON[1] + 1, len(images))
    passed = torch.empty(images.shape, dtype=torch.uint8)
    for i, levels in enumerate(images.cpu().numpy()):
        again = as_picture(levels, lambda picture, i=i: encoded(shrunk(picture, 0.5), "JPEG", int(quality[i])))
        passed[i] = torch.from_numpy(again)
    return passed


# --- what is drawn anew in each step ------------------------------------------------------------------------------


def softeners(size: int) -> Tensor:
    """The ways to soften a line of `size` pixels, as matrices B,S,S; the first changes nothing.

    To another size and back, by straight lines and by cubic curves; Gaussian blurs. Each of them is linear and treats
    rows as it treats columns, so one matrix tells all.
    """
    along = torch.eye(size)[None, None]

    def resized(lines: Tensor, side: int, mode: str) -> Tensor:
        return F.interpolate(lines, (side, size), mode=mode, antialias=True)

    trips = [
        resized(resized(along, max(1, round(size * factor)), mode), size, mode)[0, 0]
        for factor in FACTORS
        for mode in CURVES
    ]
    return torch.stack([torch.eye(size), *trips, *(blur(size, sigma) for sigma in BLURS)])


def blur(size: int, sigma: float) -> Tensor:
    """The matrix S,S of a Gaussian blur of a line; what lies beyond its ends is left out."""
    place = torch.arange(size).float()
    weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def soften(images: Tensor, which: Tensor, bank: Tensor) -> Tensor:
    """Images N,C,S,S in [-1, 1], each by the matrix that `which` int64 N names of the bank B,S,S."""
    M = bank[which][:, None]
    return (M @ images @ M.mT).clamp(-1, 1)


def add_noise(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian noise of standard deviation sigma N, in the units of the images N,C,S,S in [-1, 1]."""
    return (images + sigma[:, None, None, None] * torch.randn_like(images)).clamp(-1, 1)


def degrade(images: Tensor, worn: Tensor, hit: Tensor, bank: Tensor) -> Tensor:
    """Images N,C,S,S in [-1, 1], in whose places the pictures `worn` (uint8 N,C,S,S) stand where `hit` bool N says so.

    Those may be softened as well, and get noise. bank: `softeners`.
    """
    n, device = len(images), images.device
    images = torch.where(hit[:, None, None, None], to_images(worn), images)
    softened = hit & (torch.rand(n, device=device) < SOFTENED_AGAIN)
    images = soften(images, torch.randint(1, len(bank), (n,), device=device) * softened, bank)
    noisy = hit & (torch.rand(n, device=device) < NOISY)
    return add_noise(images, torch.rand(n, device=device) * noisy * (LOUDEST / 127.5))


# --- augmentation -------------------------------------------------------------------------------------------------


def augment(images: Tensor, how: str) -> Tensor:
    """Images N,C,S,S: as they are (`none`); moved (`shift`, and `turns`, which come mirrored: dcgan.data.Epochs);
    mirrored or not as well (`flip`, and `mix`, for which see `mix`); a square of half a side cut out of half of them,
    too (`cut`).
    """
    if how in ("flip", "cut", "mix"):
        images = mirror(images)
    if how != "none":
        images = shift(images)
    return cut_out(images, 0.5) if how == "cut" else images


def mix(images: Tensor, target: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Images N,C,S,S, in which with probability p a square, of any size and anywhere, is that of another one; and their
    target N,K, as much the other's as the square is of the picture.

    Yun et al., CutMix: regularization strategy to train strong classifiers with localizable features, 2019, section
    3.1.
    """
    n, size, device = len(images), images.shape[2], images.device
    half = size / 2 * torch.rand(n, 1, 1, device=device).sqrt()  # so that all areas are as likely
    centre = size * torch.rand(n, 2, 1, device=device)
    near = (torch.arange(size, device=device) + 0.5 - centre).abs() <= half  # N,2,S
    square = (near[:, 0, :, None] & near[:, 1, None, :]).unsqueeze(1) & happens(p, images)
    other = torch.randperm(n, device=device)
    share = square.float().mean((2, 3))  # N,1
    return torch.where(square, images[other], images), torch.lerp(target, target[other], share)


def mirror(images: Tensor) -> Tensor:
    """Half of the images N,C,S,S left to right."""
    return torch.where(happens(0.5, images), images.flip(3), images)


def shift(images: Tensor) -> Tensor:
    """Each of the images N,C,S,S moved by up to REACH pixels along both axes."""
    return move(images, torch.randint(-REACH, REACH + 1, (len(images), 2), device=images.device))


def move(images: Tensor, offset: Tensor) -> Tensor:
    """Images N,C,S,S moved by `offset` int64 N,2 pixels (up and left); what moves in repeats the edge."""
    n, size = len(images), images.shape[2]
    along = torch.arange(size, device=images.device)
    rows, columns = ((offset[:, i : i + 1] + along).clamp(0, size - 1) for i in (0, 1))
    picture = torch.arange(n, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
