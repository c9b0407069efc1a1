"""Colours and markers of the report's figures."""

from itertools import combinations, pairwise

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from mtl2r_bench.report.figures.style import (
    COLOURS,
    FEW,
    MARKERS,
    legend,
    mark,
    numbers,
    panels_side_by_side,
    save,
    small_multiples,
)

# Viénot, Brettel and Mollon 1999: linear RGB to what is seen without one kind of cones.
DEFICIENCIES = {
    "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def test_colours_differ_for_colour_blind_readers():
    rgb = np.array([to_rgb(colour) for colour in COLOURS])
    for seen in DEFICIENCIES.values():
        linear = np.clip(rgb**2.2 @ np.array(seen).T, 0, 1) ** (1 / 2.2)
        for a, b in combinations(linear, 2):
            assert np.abs(a - b).max() > 0.07


def test_no_two_methods_share_a_marker_or_a_colour():
    looks = [mark(number) for number in range(FEW)]
    assert len({look["marker"] for look in looks}) == FEW == len(MARKERS)
    assert len({look["color"] for look in looks}) == FEW
    assert numbers(["wc", "ls"]) == {"ls": 0, "wc": 1}  # whatever came first
    many = [f"m{i}" for i in reversed(range(20))]
    assert list(numbers(many)) == many  # the first have colours


def test_a_small_picture_keeps_its_colours(tmp_path):
    figure, (axes,) = panels_side_by_side(1)
    for number in range(FEW):
        axes.plot([number], [number], **mark(number))
    save(figure, tmp_path / "marks")
    with Image.open(tmp_path / "marks.png") as image:
        assert image.mode == "P"
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in COLOURS:
        wanted = np.round(255 * np.array(to_rgb(colour)))
        assert np.abs(pixels - wanted).max(axis=1).min() <= 8
    assert (tmp_path / "marks.pdf").read_bytes().startswith(b"%PDF")


def test_long_names_stay_within_the_figure():
    names = [f"ls (mlp, hidden=64x32, dropout=0.{n})" for n in range(FEW)]
    figure, (axes,) = panels_side_by_side(1)
    for name in names:
        axes.plot([0], [0], label=name)
    legend(figure, [axes])
    figure.draw_without_rendering()
    (shown,) = figure.legends
    assert [text.get_text() for text in shown.get_texts()] == names
    extent = shown.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width

    figure, panels = small_multiples(names)
    figure.draw_without_rendering()
    ends = [
        next(text for text in panel.findobj(Text) if "mlp" in text.get_text()).get_window_extent()
        for panel in panels
    ]
    for left, right in pairwise(ends[:5]):
        assert left.x1 <= right.x0
