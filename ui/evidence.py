"""Evidence maps -> pictures: warm where a picture speaks for real, cool where it speaks for fake."""

import numpy as np
from PIL import Image

WARM, COOL = (226, 116, 34), (40, 116, 206)  # the same as --warm and --cool in page.css
STRONGEST = 0.7  # opacity over the strongest evidence: the picture stays visible below
LOUD = 1.0  # logits; a map without stronger evidence than this is not blown up to look decided


def enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """Pixels uint8 S,S,3 -> about `side` pixels a side, a whole number of times, without blur."""
    scale = max(1, side // pixels.shape[0])
    return pixels.repeat(scale, 0).repeat(scale, 1)


def paint(pixels: np.ndarray, evidence: np.ndarray, side: int = 336) -> np.ndarray:
    """Pixels uint8 S,S,3 under evidence float32 h,w -> pixels uint8 of about `side`."""
    base = 50 + 0.7 * enlarge(pixels, side).astype(np.float32)  # neither black nor white, which no colour shows on
    fine = Image.fromarray(evidence.astype(np.float32)).resize(base.shape[1::-1], Image.BILINEAR)
    strength = np.asarray(fine)[..., None] / max(float(np.abs(evidence).max()), LOUD)
    opacity = STRONGEST * np.abs(strength)
    colour = np.where(strength > 0, np.float32(WARM), np.float32(COOL))
    return (base * (1 - opacity) + colour * opacity + 0.5).astype(np.uint8)
