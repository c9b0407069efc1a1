"""Intervals over lists: against formulas, and against what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr_losses.significance import shift_p_value
from mtl2r_bench.analysis.bootstrap import Bootstrap, basic_interval, estimates
from mtl_optim.pareto import hypervolume_samples


def test_the_error_of_a_mean_is_s_over_root_n():
    values = np.random.default_rng(0).exponential(size=(3, 2, 500))
    means = Bootstrap(np.ones((2, 500), bool), np.zeros(500), resamples=4_000).means(values)
    assert means.shape == (4_000, 3, 2)
    np.testing.assert_allclose(means.mean(axis=0), values.mean(axis=-1), rtol=0.01)
    expected = values.std(axis=-1) / np.sqrt(500)
    np.testing.assert_allclose(means.std(axis=0), expected, rtol=0.05)


def test_strata_take_out_the_spread_between_them():
    """Within strata of constant values nothing moves; without strata it would."""
    values = np.repeat([0.0, 1.0, 5.0], 40)[None, None]
    counted = np.ones((1, 120), bool)
    within = Bootstrap(counted, np.repeat([7, 8, 9], 40)).means(values)
    np.testing.assert_allclose(within, 2.0)
    assert Bootstrap(counted, np.zeros(120)).means(values).std() > 0.1


def test_the_same_lists_are_drawn_for_all():
    values = np.random.default_rng(1).normal(size=(1, 1, 80))
    bootstrap = Bootstrap(np.ones((1, 80), bool), np.zeros(80))
    shifted = bootstrap.means(values + 0.25) - bootstrap.means(values)
    np.testing.assert_allclose(shifted, 0.25)


def test_lists_that_do_not_count_are_not_read():
    rng = np.random.default_rng(2)
    counted = rng.random((2, 60)) < 0.7
    values = np.where(counted, rng.normal(size=(4, 2, 60)), np.nan)
    means = Bootstrap(counted, np.zeros(60), resamples=2_000).means(values)
    assert np.isfinite(means).all()
    np.testing.assert_allclose(
        means.mean(axis=0), np.nanmean(values, axis=-1), atol=4 * 1 / np.sqrt(40 * 2_000) + 0.01
    )


def test_every_draw_has_a_list_for_every_task():
    counted = np.array([[True] * 12, [True] + [False] * 11])
    means = Bootstrap(counted, np.zeros(12)).means(np.ones((2, 12)))
    np.testing.assert_allclose(means, 1.0)
    with pytest.raises(ValueError, match="a list that counts for every task"):
        Bootstrap(np.array([[True, True], [False, False]]), np.zeros(2))
    with pytest.raises(ValueError, match=r"got \(2, 12\) and \(3,\)"):
        Bootstrap(counted, np.zeros(3))
    with pytest.raises(ValueError, match=r"must end with \(2, 12\)"):
        Bootstrap(counted, np.zeros(12)).means(np.ones((2, 13)))


def test_chunks_do_not_change_the_draws(monkeypatch):
    values = np.random.default_rng(3).normal(size=(1, 50))
    bootstrap = Bootstrap(np.ones((1, 50), bool), np.zeros(50), resamples=100)
    whole = bootstrap.means(values)
    monkeypatch.setattr("mtl2r_bench.analysis.bootstrap._CHUNK", 50 * 7)
    np.testing.assert_allclose(bootstrap.means(values), whole, rtol=1e-9)


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_intervals_move_and_stretch_with_the_numbers(shift, scale):
    resampled = np.random.default_rng(4).normal(size=400)
    before = basic_interval(0.3, resampled)
    after = basic_interval(0.3 * scale + shift, resampled * scale + shift)
    np.testing.assert_allclose(after, before * scale + shift, atol=1e-9)


def test_an_interval_is_cut_where_the_quantity_ends():
    (found,) = estimates(
        np.array([0.1]), np.linspace(0, 1, 101)[:, None], 0.95, [[1.0, 3.0]], floor=0
    )
    assert found.low == 0
    assert found.seed_spread == pytest.approx(np.sqrt(2))


def test_the_p_value_is_small_where_the_interval_leaves_out_zero():
    rng = np.random.default_rng(5)
    centre = np.linspace(-4, 4, 41)
    resampled = centre + rng.normal(size=(4_000, 1))
    p = shift_p_value(centre, resampled)
    low, high = basic_interval(centre, resampled).T
    clear = np.abs(np.abs(centre) - 1.96) > 0.2
    np.testing.assert_array_equal((p < 0.05)[clear], ((low > 0) | (high < 0))[clear])


def test_intervals_of_a_hypervolume_cover_it():
    """Ten points of equal quality: the percentile interval covers far less often than it says."""
    rng = np.random.default_rng(6)
    truth, lists, rounds = np.array([0.5, 0.3]), 300, 200
    reference = np.array([0.3, 0.1])
    volume = float(np.prod(truth - reference))
    hits = np.zeros(2)
    for _ in range(rounds):
        common = rng.normal(size=(1, 2, lists)) * np.sqrt(0.9)
        own = rng.normal(size=(10, 2, lists)) * np.sqrt(0.1)
        queries = truth[:, None] + 0.3 * (common + own)
        drawn = Bootstrap(np.ones((2, lists), bool), np.zeros(lists), resamples=400).means(queries)
        redrawn = hypervolume_samples(drawn, reference, maximize=True)
        found = hypervolume_samples(queries.mean(axis=-1)[None], reference, maximize=True)[0]
        low, high = basic_interval(found, redrawn)
        hits += [low <= volume <= high, percentile_covers(redrawn, volume)]
    assert hits[0] / rounds > 0.92
    assert hits[1] / rounds < 0.88


def percentile_covers(redrawn, value):
    low, high = np.quantile(redrawn, [0.025, 0.975])
    return low <= value <= high
