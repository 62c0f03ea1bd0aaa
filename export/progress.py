"""A run's grids of the same seeds -> one animated picture that shows them learning. numpy and Pillow only."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FILE = "progress.webp"
MOST_FRAMES = 24
FRAME, LAST_FRAME = 400, 3000  # milliseconds
SIDE = 512  # grids are enlarged a whole number of times, to about so many pixels a side
QUALITIES = (95, 90, 85, 80, 70, 60, 50)  # of lossy WebP, tried in this order where a lossless one is too large


def spread(steps: list[int], most: int = MOST_FRAMES) -> list[int]:
    """At most `most` of these steps (ascending, above 0): first, last, and more of the early ones, by about a factor.

    Early in a training a hundred steps change more than ten thousand do later.
    """
    if len(steps) <= most:
        return steps

    def nearest_to(targets: np.ndarray) -> list[int]:
        nearest = np.abs(np.asarray(steps)[:, None] - targets).argmin(0)
        return [steps[i] for i in np.unique(nearest)]

    # Early targets share their nearest step, so more targets than `most` may be needed to find as many steps.
    tries = (nearest_to(np.geomspace(steps[0], steps[-1], n)) for n in range(2, 4 * most))
    return max((chosen for chosen in tries if len(chosen) <= most), key=len)


def make_progress(folder: Path, last: int, most_bytes: int) -> tuple[bytes, dict] | None:
    """The grids step-NUMBER.png of a folder, up to step `last` -> an animated WebP and its facts.

    Lossless if that takes less than most_bytes, else of the highest of QUALITIES that does, else of the lowest.
    Facts: `steps` of the frames, the `milliseconds` each stands (the last one longer), `quality` (100: lossless).
    None where there are fewer than two grids: runs need not draw any.
    """
    grids = {int(path.stem.removeprefix("step-")): path for path in folder.glob("step-*.png")}
    steps = spread(sorted(step for step in grids if step <= last))
    if len(steps) < 2:
        return None
    frames = [enlarge(Image.open(grids[step]).convert("RGB")) for step in steps]
    milliseconds = [FRAME] * (len(steps) - 1) + [LAST_FRAME]
    for quality in (100, *QUALITIES):
        file = io.BytesIO()
        how = {"lossless": True} if quality == 100 else {"quality": quality}
        rest = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
        frames[0].save(file, "WEBP", **how, **rest)
        if file.tell() < most_bytes:
            break
    return file.getvalue(), {"steps": steps, "milliseconds": milliseconds, "quality": quality}


def enlarge(grid: Image.Image) -> Image.Image:
    """Without blur, a whole number of times, to about SIDE pixels."""
    scale = max(1, round(SIDE / max(grid.size)))
    return grid.resize((scale * grid.width, scale * grid.height), Image.Resampling.NEAREST)
