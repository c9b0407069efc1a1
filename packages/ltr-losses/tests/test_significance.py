"""Paired tests: against formulas and SciPy, and what they promise where nothing differs."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from ltr_losses import significance
from ltr_losses.significance import (
    bootstrap_counts,
    holm,
    paired_bootstrap,
    paired_randomization,
    paired_t_test,
    shift_p_value,
)

TESTS = [paired_t_test, paired_randomization, paired_bootstrap]
each_test = pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)

# Halves: sums are exact, and equal differences are frequent.
halves = st.integers(-4, 4).map(lambda x: x / 2)


def some_lists(min_lists=2, max_lists=9, methods=3):
    """Values (method, query)."""
    return st.integers(min_lists, max_lists).flatmap(
        lambda n: arrays(np.float64, (methods, n), elements=halves)
    )


def with_gaps(rng, methods=4, lists=60):
    """Values (method, query) that share a list's difficulty, with a fifth missing."""
    values = rng.normal(size=lists) + 0.5 * rng.normal(size=(methods, lists))
    values += 0.1 * np.arange(methods)[:, None]
    return np.where(rng.random((methods, lists)) < 0.8, values, np.nan)


@each_test
def test_p_values_are_uniform_where_nothing_differs(test):
    rng = np.random.default_rng(0)
    # 600 independent experiments of two methods each that share a list's difficulty.
    hard = rng.normal(size=(600, 1, 100))
    values = (hard + 0.3 * rng.standard_t(8, size=(600, 2, 100))).reshape(1_200, 100)
    values[::7, :5] = np.nan
    p = test(values, pairs=[(2 * i, 2 * i + 1) for i in range(600)])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs((p < 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 600)


@given(some_lists())
def test_the_t_test_is_that_of_scipy(values):
    p = paired_t_test(values)
    for found, (i, j) in zip(p, itertools.combinations(range(3), 2), strict=True):
        d = values[i] - values[j]
        if (d == d[0]).all():  # SciPy divides by zero.
            assert found == pytest.approx(1.0 if d[0] == 0 else 0.0, abs=1e-12)
        else:
            assert found == pytest.approx(stats.ttest_rel(values[i], values[j]).pvalue, rel=1e-9)


@given(some_lists(max_lists=7))
def test_few_lists_are_enumerated_as_by_scipy(values):
    p = paired_randomization(values)
    for found, (i, j) in zip(p, itertools.combinations(range(3), 2), strict=True):
        expected = stats.permutation_test(
            (values[i], values[j]),
            lambda x, y, axis: (x - y).sum(axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert found == pytest.approx(expected.pvalue, abs=1e-12)


def test_random_signs_estimate_what_all_signs_say():
    values = np.array([[0.5, -0.2, 0.9, 0.4, 0.1, 0.3], np.zeros(6)])
    (exact,) = paired_randomization(values)
    (found,) = paired_randomization(values, permutations=40_000, exact=False)
    assert exact * 2**6 == round(exact * 2**6)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))
    # 2⁶ signs are enumerated from 64 permutations on, and not with fewer.
    assert paired_randomization(values, permutations=64) == exact
    assert paired_randomization(values, permutations=64, exact=False) != exact
    few = paired_randomization(values, permutations=63)
    assert few == paired_randomization(values, permutations=63, exact=False)


def test_the_bootstrap_estimates_what_all_draws_say():
    """Also where rounding parts equal numbers: a third method makes the centre no half."""
    values = np.array([[1.0, 1, 0, 1, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 0]])
    d = values[0] - values[1]
    draws = np.array(list(itertools.product(range(5), repeat=5)))
    exact = (np.abs(d[draws].mean(axis=1) - d.mean()) >= abs(d.mean()) - 1e-12).mean()
    p = paired_bootstrap(values, resamples=40_000)
    assert p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_they_find_alike():
    rng = np.random.default_rng(1)
    a = rng.normal(size=400)
    b = a + 0.08 + 0.4 * rng.normal(size=400)
    p = stats.ttest_rel(a, b).pvalue
    for test in TESTS:
        assert test(a, b) == pytest.approx(p, abs=0.01)


@given(some_lists(max_lists=8), st.data())
def test_a_list_without_a_value_is_left_out_of_its_pairs(values, data):
    missing = data.draw(arrays(np.bool_, values.shape))
    missing[:, :2] = False
    gaps = np.where(missing, np.nan, values)
    for test in (paired_t_test, paired_randomization):
        p = test(gaps)
        for found, (i, j) in zip(p, itertools.combinations(range(3), 2), strict=True):
            both = ~(missing[i] | missing[j])
            assert found == pytest.approx(test(values[i][both], values[j][both]), abs=1e-12)


def test_the_bootstrap_leaves_lists_out_too():
    values = with_gaps(np.random.default_rng(2), lists=300)
    np.testing.assert_allclose(paired_bootstrap(values), paired_t_test(values), atol=0.02)
    # A third of the draws is without the only list of both: these count against a difference.
    lone = np.array([[1.0, np.nan, 1.0], [0.0, 1.0, np.nan]])
    assert paired_bootstrap(lone) == pytest.approx((2 / 3) ** 3, abs=0.02)


@each_test
def test_a_pair_is_the_same_alone_turned_or_among_others(test):
    values = with_gaps(np.random.default_rng(3))
    pairs = list(itertools.combinations(range(4), 2))
    p = test(values)
    assert p.shape == (6,)
    np.testing.assert_allclose(p, test(values, pairs=[(j, i) for i, j in pairs]), rtol=1e-9)
    for found, (i, j) in zip(p, pairs, strict=True):
        alone = test(values[i], values[j])
        assert alone.shape == ()
        assert found == pytest.approx(float(alone), rel=1e-9)


@each_test
def test_what_a_list_adds_to_all_and_the_unit_change_nothing(test):
    rng = np.random.default_rng(4)
    values = with_gaps(rng)
    moved = 100 * (values + rng.normal(size=60))
    np.testing.assert_allclose(test(moved), test(values), rtol=1e-9)


@each_test
def test_equal_values_do_not_differ(test):
    same = np.random.default_rng(5).normal(size=(1, 30)).repeat(2, axis=0)
    assert test(same, pairs=[(0, 1)])[0] == 1
    assert test(same, pairs=[]).shape == (0,)


@each_test
def test_tensors_are_as_arrays(test):
    values = with_gaps(np.random.default_rng(6))
    tensor = torch.from_numpy(values).requires_grad_()
    np.testing.assert_array_equal(test(tensor), test(values))
    np.testing.assert_array_equal(test(tensor[0], tensor[1]), test(values[0], values[1]))
    half = tensor.to(torch.bfloat16)
    np.testing.assert_array_equal(test(half), test(half.detach().double()))


@pytest.mark.parametrize("test", [paired_randomization, paired_bootstrap])
def test_draws_follow_from_the_seed_alone(test, monkeypatch):
    values = with_gaps(np.random.default_rng(7))
    p = test(values)
    np.testing.assert_array_equal(test(values, seed=0), p)
    assert (test(values, seed=1) != p).any()
    monkeypatch.setattr(significance, "_CHUNK", 60 * 7)
    np.testing.assert_array_equal(test(values), p)


@each_test
def test_errors(test):
    with pytest.raises(
        ValueError, match=r"`values` must be \(method, query\), .* got shape \(3,\)"
    ):
        test(np.zeros(3))
    with pytest.raises(ValueError, match=r"`other` must be .* shapes \(3,\) and \(4,\)"):
        test(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="`pairs` must be None where `other` is given"):
        test(np.zeros(3), np.zeros(3), pairs=[(0, 1)])
    with pytest.raises(ValueError, match="`other` must be finite, or NaN"):
        test(np.zeros(2), np.array([0, np.inf]))
    with pytest.raises(
        ValueError, match=r"`pairs` must be of the methods 0 to 1, got \[\(0, 2\)\]"
    ):
        test(np.zeros((2, 3)), pairs=[(0, 2)])
    with pytest.raises(ValueError, match=r"or more lists .* got 0 for \(0, 1\)"):
        test(np.array([[1.0, np.nan], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"or more lists .* got 0 for \(0, 1\)"):
        test(np.zeros((2, 0)))


def test_numbers_of_draws_are_checked():
    with pytest.raises(ValueError, match="`permutations` must be finite and positive, got 0"):
        paired_randomization(np.zeros((2, 3)), permutations=0)
    with pytest.raises(ValueError, match="`resamples` must be finite and positive, got -1"):
        paired_bootstrap(np.zeros((2, 3)), resamples=-1)
    with pytest.raises(ValueError, match=r"2 or more lists .* got 1"):
        paired_t_test(np.zeros((2, 1)))


def test_counts_of_draws_are_multinomial():
    counts = bootstrap_counts(np.random.default_rng(8), 6, 20_000)
    assert (counts.sum(axis=1) == 6).all()
    expected = stats.binom.pmf(np.arange(7), 6, 1 / 6)
    found = np.bincount(counts[:, 2].astype(int), minlength=7) / 20_000
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 20_000))


def test_a_resample_without_a_number_counts_as_extreme():
    assert shift_p_value(2.0, np.array([2.0, np.nan, 2.5, 4.0])) == 3 / 5
    assert shift_p_value(2.0, np.array([2.0, 3.9]), tolerance=0.2) == 2 / 3


def test_holm_by_hand():
    # Sorted .01 .02 .03 .5, times 4 3 2 1: .04 .06 .06 .5, which already rises.
    np.testing.assert_allclose(holm([0.5, 0.01, 0.03, 0.02]), [0.5, 0.04, 0.06, 0.06])
    # Sorted .011 .012 .9, times 3 2 1: .033 .024 .9; the second is no less than the first.
    np.testing.assert_allclose(holm([0.012, 0.9, 0.011]), [0.033, 0.9, 0.033])
    np.testing.assert_allclose(holm([0.7, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)
    for bad in ([0.1, np.nan], [1.1], [[0.1]]):
        with pytest.raises(ValueError, match=r"`p_values` must be \(comparison,\), in 0..1"):
            holm(bad)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_holds_the_chance_of_a_false_finding():
    """Independent p-values; and all pairs of six methods, of which two truly differ from four."""
    rng = np.random.default_rng(9)
    found = [(holm(rng.random(10)) < 0.05).any() for _ in range(2_000)]
    assert np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)
    pairs = list(itertools.combinations(range(6), 2))
    null = [i < 4 and j < 4 for i, j in pairs]
    bare, adjusted, power = [], [], []
    for _ in range(1_000):
        values = rng.normal(size=(6, 50)) + np.array([0, 0, 0, 0, 2, 4])[:, None]
        p = paired_t_test(values)
        bare.append((p[null] < 0.05).any())
        adjusted.append((holm(p)[null] < 0.05).any())
        power.append((holm(p)[~np.array(null)] < 0.05).all())
    assert np.mean(adjusted) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)
    assert np.mean(bare) > 0.15
    assert np.mean(power) > 0.95


def test_the_losses_alone_need_no_scipy():
    code = "import sys, ltr_losses; print([m for m in ('scipy', 'pandas') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
