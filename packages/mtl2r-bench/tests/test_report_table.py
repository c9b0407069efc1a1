"""A table in its three forms."""

import csv
import io

import pytest

from mtl2r_bench.analysis.bootstrap import IntervalEstimate
from mtl2r_bench.report.text.table import Number, Table, to_csv, to_latex, to_markdown

TABLE = Table(
    "one",
    "Δm of a_b",
    ("method", "Δm %", "share"),
    (
        ("ls|x", Number(IntervalEstimate(-1.234, -2.0, -0.5, 0.25), 2, signed=True), Number(0.5)),
        ("wc", Number(IntervalEstimate(3.0, 1.0, 5.0), 2, signed=True), None),
    ),
    "50 % & more",
)


def test_markdown():
    assert to_markdown(TABLE).splitlines() == [
        "| method | Δm % | share |",
        "| --- | --- | --- |",
        r"| ls\|x | −1.23 [−2.00, −0.50] ± 0.25 | 0.5000 |",
        "| wc | +3.00 [+1.00, +5.00] |  |",
    ]
    assert TABLE.plain(intervals=False)[1] == ["ls|x", "−1.23", "0.5000"]


def test_csv_has_every_number_at_full_precision():
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert list(rows[0]) == ["method", "Δm %", "Δm % low", "Δm % high", "Δm % seed sd", "share"]
    assert [float(v) for v in list(rows[0].values())[1:]] == [-1.234, -2.0, -0.5, 0.25, 0.5]
    assert list(rows[1].values()) == ["wc", "3.0", "1.0", "5.0", "", ""]


def test_latex_uses_booktabs_and_escapes():
    text = to_latex(TABLE)
    assert r"\begin{tabular}{lrr}" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert r"$\Delta$m of a\_b" in text
    assert r"50 \% \& more" in text
    assert r"ls|x & $-1.23\;[-2.00, -0.50] \pm 0.25$ & $0.5000$ \\" in text
    assert "−" not in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("form", [to_markdown, to_csv, to_latex])
def test_every_row_has_as_many_cells(form):
    mark = {to_markdown: " | ", to_csv: ",", to_latex: " & "}[form]
    lines = [line for line in form(TABLE).splitlines() if "ls" in line or "wc" in line]
    assert len({line.count(mark) for line in lines}) == 1
