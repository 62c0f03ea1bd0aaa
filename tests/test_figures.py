"""Curves as pictures: where a line goes through."""

import numpy as np
import pytest

from dcgan.figures import EDGE, SIDE, plot


@pytest.mark.parametrize(("x_span", "y_span"), [((0, 1), (0, 1)), ((-4, 4), (0, 10))])
def test_a_line_lies_where_its_span_puts_it(x_span, y_span):
    low, high = y_span
    level = low + 0.3 * (high - low)
    picture = np.asarray(plot({"level": [(x, level) for x in x_span]}, "", "", "", x_span, y_span)).astype(int)
    square = picture[EDGE : EDGE + SIDE, EDGE : EDGE + SIDE]
    rows, columns = np.nonzero(square[:, :, 2] - square[:, :, 0] > 60)  # the first ink is blue
    assert np.ptp(columns) > 0.99 * SIDE
    assert np.abs(rows / SIDE - 0.7).max() < 0.01


@pytest.mark.parametrize(("y_span", "drawn"), [((0, 1), True), ((0, 2), False)])
def test_only_equal_spans_have_a_diagonal(y_span, drawn):
    picture = plot({}, "", "", "", (0, 1), y_span).convert("L")
    between = SIDE // 2  # where no line of the grid goes through
    assert (picture.getpixel((EDGE + between, EDGE + SIDE - between)) < 200) == drawn
