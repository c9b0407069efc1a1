"""What a report concludes, on points made by hand."""

import numpy as np
import pytest

from mtl2r_bench.report.analysis import Box, analyse
from mtl2r_bench.report.results import Point, standard_error

TASKS = ("a", "b")
RANDOM = {"a": 0.1, "b": 0.2}


def point(method, values, preference=None, queries=None):
    values = np.array(values, dtype=float)
    if queries is None:
        queries = np.repeat(values[:, None], 4, axis=1)
    return Point(method, preference, values, np.asarray(queries, dtype=float), {}, 1, 1.0)


BASELINES = [point("stl a", [0.9, 0.3]), point("stl b", [0.4, 0.8])]


def run(*points):
    return analyse(points, TASKS, "test", "ndcg@10", RANDOM)


def test_the_box_is_that_of_the_baselines():
    analysis = run(*BASELINES, point("x", [0.6, 0.6]))
    np.testing.assert_allclose(analysis.box.ideal, [0.9, 0.8])
    np.testing.assert_allclose(analysis.box.reference, [0.4 - 0.05, 0.3 - 0.05])


def test_without_baselines_the_reference_is_a_random_order():
    analysis = run(point("x", [0.6, 0.6]))
    assert analysis.box.ideal is None
    np.testing.assert_allclose(analysis.box.reference, [0.1, 0.2])
    assert analysis.methods[0].hypervolume == pytest.approx((0.6 - 0.1) * (0.6 - 0.2))
    assert analysis.delta_m == ()


def test_a_baseline_that_is_not_the_best_at_its_own_task_spans_no_box():
    box = Box.of(np.array([[0.5, 0.3], [0.6, 0.8]]), np.array([0.1, 0.2]))
    assert box.ideal is None


def test_hypervolume_is_the_share_of_the_box():
    analysis = run(
        *BASELINES, point("x", [0.6, 0.7], (0.5, 0.5)), point("x", [0.8, 0.4], (0.9, 0.1))
    )
    left, right = (0.6 - 0.35) * (0.7 - 0.25), (0.8 - 0.6) * (0.4 - 0.25)
    expected = (left + right) / ((0.9 - 0.35) * (0.8 - 0.25))
    assert analysis.methods[0].hypervolume == pytest.approx(expected)
    assert analysis.methods[0].points == 2


def test_other_methods_do_not_move_a_hypervolume():
    one = run(*BASELINES, point("x", [0.6, 0.7]))
    two = run(*BASELINES, point("x", [0.6, 0.7]), point("y", [0.1, 0.1]))
    volumes = {row.method: row.hypervolume for row in two.methods}
    assert volumes["x"] == one.methods[0].hypervolume
    assert volumes["y"] == 0


def test_delta_m_is_the_mean_relative_loss():
    analysis = run(*BASELINES, point("x", [0.45, 0.88]))
    expected = 100 / 2 * ((0.9 - 0.45) / 0.9 + (0.8 - 0.88) / 0.8)
    assert analysis.delta_m[2] == pytest.approx(expected)
    assert analysis.methods[0].best_delta_m == pytest.approx(expected)


def test_the_front_is_what_nothing_dominates():
    analysis = run(*BASELINES, point("x", [0.6, 0.6]), point("y", [0.5, 0.6]))
    assert analysis.optimal == (True, True, True, False)


def sweep(*firsts, noise=0.0):
    """Points of one method whose first metric takes the given values, the second the mirrored."""
    rng = np.random.default_rng(0)
    found = []
    for i, value in enumerate(firsts):
        r = (i + 1) / (len(firsts) + 1)
        queries = np.array([[value] * 50, [1 - value] * 50]) + noise * rng.normal(size=(2, 50))
        found.append(point("x", [value, 1 - value], (r, 1 - r), queries))
    return found


def test_a_monotone_sweep():
    trades = {trade.task: trade for trade in run(*sweep(0.1, 0.3, 0.5)).trades}
    assert trades["a"].gain == pytest.approx(0.4)
    assert trades["b"].gain == pytest.approx(0.4)
    assert trades["a"].largest_drop == trades["b"].largest_drop == 0
    assert trades["a"].is_monotone


def test_a_drop_is_found_and_judged_by_its_noise():
    clear = run(*sweep(0.1, 0.5, 0.4, noise=0.01)).trades[0]
    assert clear.largest_drop == pytest.approx(0.1, abs=0.01)
    assert not clear.is_monotone
    noisy = run(*sweep(0.1, 0.5, 0.49, noise=0.3)).trades[0]
    assert noisy.largest_drop <= 2 * noisy.drop_error
    assert noisy.is_monotone


def test_standard_errors_leave_out_lists_that_count_for_nothing():
    values = np.array([[0.1, np.nan, 0.5, 0.6]])
    expected = np.std([0.1, 0.5, 0.6], ddof=1) / np.sqrt(3)
    assert standard_error(values)[0] == pytest.approx(expected)
