"""Tests of differences: what they promise where there is none, and Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtl2r_bench.analysis.compare import compare
from mtl2r_bench.analysis.significance import holm, paired_randomization


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(0)
    # 600 independent experiments of two methods each that share a list's difficulty.
    hard = rng.normal(size=(600, 1, 40))
    scores = (hard + 0.3 * rng.standard_t(3, size=(600, 2, 40))).reshape(1_200, 40)
    pairs = [(2 * i, 2 * i + 1) for i in range(600)]
    p = paired_randomization(scores, pairs, permutations=999)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs((p < 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 600)


def test_all_signs_of_few_lists():
    """With n lists there are 2ⁿ signs: the p-value is a share of them."""
    differences = np.array([0.5, -0.2, 0.9, 0.4, 0.1, 0.3])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    exact = (np.abs(differences @ signs) >= abs(differences.sum()) - 1e-12).mean()
    found = paired_randomization(
        np.stack([differences, np.zeros(6)]), [(0, 1)], permutations=40_000
    )
    assert found[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_it_finds_what_a_t_test_finds():
    rng = np.random.default_rng(1)
    a = rng.normal(size=400)
    b = a + 0.05 + 0.4 * rng.normal(size=400)
    p = paired_randomization(np.stack([a, b]), [(0, 1)])[0]
    assert p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.02)


def test_equal_scores_do_not_differ():
    same = np.random.default_rng(2).normal(size=(2, 30)).repeat([2, 0], axis=0)
    assert paired_randomization(same, [(0, 1)])[0] == 1
    assert paired_randomization(same, []).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_holds_the_chance_of_a_false_finding():
    rng = np.random.default_rng(3)
    found = [(holm(rng.random(10)) < 0.05).any() for _ in range(2_000)]
    assert np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)


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
