"""Curves as pictures, by Pillow alone."""

from PIL import Image, ImageDraw, ImageFont

SIDE, EDGE, LINE = 420, 64, 24  # pixels: of the square between 0 and 1, around it, of a line of text
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008: told apart by all
SHARP = 2  # drawn so much larger, then made smaller: smooth lines


def plot(
    curves: dict[str, list[tuple[float, float]]],
    title: str,
    across: str,
    up: str,
    x_span: tuple[float, float] = (0.0, 1.0),
    y_span: tuple[float, float] = (0.0, 1.0),
) -> Image.Image:
    """Curves by name, of points (x, y) in these spans; `across` and `up` name the axes. Where both have the same span,
    the diagonal lies below the curves.
    """
    height = SIDE + 2 * EDGE + LINE * (len(curves) + 1)
    picture = Image.new("RGB", (SHARP * (SIDE + 2 * EDGE), SHARP * height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(SHARP * 14)
    (left, right), (low, high) = x_span, y_span

    def at(x: float, y: float) -> tuple[float, float]:
        return SHARP * (EDGE + x * SIDE), SHARP * (EDGE + (1 - y) * SIDE)

    def write(x: float, y: float, text: str, anchor: str) -> None:
        draw.text((SHARP * x, SHARP * y), text, "black", font, anchor)

    for i in range(6):
        tick = i / 5
        draw.line([at(tick, 0), at(tick, 1)], "#dddddd", SHARP)
        draw.line([at(0, tick), at(1, tick)], "#dddddd", SHARP)
        write(EDGE + tick * SIDE, EDGE + SIDE + 6, f"{left + tick * (right - left):.4g}", "ma")
        write(EDGE - 6, EDGE + (1 - tick) * SIDE, f"{low + tick * (high - low):.4g}", "rm")
    if x_span == y_span:
        draw.line([at(0, 0), at(1, 1)], "#999999", SHARP)
    write(EDGE, EDGE / 3, title, "lm")
    write(EDGE, EDGE - 10, up, "ls")
    write(EDGE + SIDE, EDGE + SIDE + 28, across, "ra")
    for i, (name, points) in enumerate(curves.items()):
        ink, below = INKS[i % len(INKS)], SIDE + 2 * EDGE + LINE * i
        line = [at((x - left) / (right - left), (y - low) / (high - low)) for x, y in points]
        draw.line(line, ink, 2 * SHARP, "curve")
        draw.line([(SHARP * EDGE, SHARP * below), (SHARP * (EDGE + 30), SHARP * below)], ink, 3 * SHARP)
        write(EDGE + 40, below, name, "lm")
    return picture.resize((picture.width // SHARP, picture.height // SHARP), Image.Resampling.LANCZOS)
