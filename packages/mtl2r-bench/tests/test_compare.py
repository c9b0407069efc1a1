"""Comparisons of all pairs of methods."""

import numpy as np
import pytest

from mtl2r_bench.analysis.compare import compare


def test_a_family_names_what_is_beaten():
    rng = np.random.default_rng(4)
    base = rng.normal(size=200)
    scores = np.stack([base, base + 0.2, base + 0.01 * rng.normal(size=200)]) / 200
    drawn = rng.integers(200, size=(500, 200))
    resampled = scores[:, drawn].sum(axis=-1).T
    values = scores.sum(axis=1)
    names = ["a", "b", "c"]
    up = compare("score", names, values, resampled, scores=scores, larger_is_better=True)
    assert up.test == "paired randomisation test"
    assert up.beaten_by("b") == ["a", "c"]
    assert up.beaten_by("a") == up.beaten_by("c") == []
    first = up.comparisons[0]
    assert (first.first, first.second) == ("a", "b")
    assert first.difference == pytest.approx(-0.2)
    assert first.low <= first.difference <= first.high < 0
    down = compare("error", names, values, resampled, larger_is_better=False)
    assert down.test == "paired bootstrap"
    assert down.beaten_by("a") == down.beaten_by("c") == ["b"]
    # The differences and their intervals do not depend on the test.
    for one, other in zip(up.comparisons, down.comparisons, strict=True):
        assert (one.difference, one.low, one.high) == (other.difference, other.low, other.high)
    alone = compare("score", ["a"], values[:1], resampled[:, :1], larger_is_better=True)
    assert alone.comparisons == ()
