"""What a report concludes, on points made by hand."""

import numpy as np
import pytest

from mtl2r_bench.analysis.analyse import analyse
from mtl2r_bench.analysis.bootstrap import basic_interval
from mtl2r_bench.analysis.box import Box
from mtl2r_bench.analysis.points import Point, PointSet
from mtl2r_bench.analysis.results import standard_error
from mtl2r_bench.report.text.markdown import box_text
from mtl2r_bench.report.text.paper import paper_table
from mtl_optim.pareto import delta_m, hypervolume

TASKS = ("a", "b")
RANDOM = {"a": 0.1, "b": 0.2}


def point(method, values, preference=None, queries=None, validation=None, by_seed=None):
    values = np.array(values, dtype=float)
    if queries is None:
        queries = np.repeat(values[:, None], 4, axis=1)
    return Point(
        method,
        preference,
        np.asarray(queries, dtype=float),
        None if preference is None else preference[0],
        np.array(values if validation is None else validation, dtype=float),
        by_seed or {},
        baseline_of=method.removeprefix("stl ") if method.startswith("stl ") else None,
    )


BASELINES = [point("stl a", [0.9, 0.3]), point("stl b", [0.4, 0.8])]


def run(*points, **options):
    lists = points[0].queries.shape[1]
    points = [
        p if p.queries.shape[1] == lists else point(p.method, p.values, p.preference)
        for p in points
    ]
    measured = PointSet(TASKS, "test", "ndcg@10", tuple(points), np.zeros(lists, int))
    return analyse(measured, RANDOM, resamples=200, **options)


def test_the_box_is_that_of_the_baselines():
    analysis = run(*BASELINES, point("x", [0.6, 0.6]))
    np.testing.assert_allclose(analysis.box.ideal, [0.9, 0.8])
    np.testing.assert_allclose(analysis.box.reference, [0.4 - 0.05, 0.3 - 0.05])


def test_without_baselines_the_reference_is_a_random_order():
    analysis = run(point("x", [0.6, 0.6]))
    assert analysis.box.ideal is None
    np.testing.assert_allclose(analysis.box.reference, [0.1, 0.2])
    assert analysis.methods[0].hypervolume.value == pytest.approx((0.6 - 0.1) * (0.6 - 0.2))
    assert analysis.delta_m == ()


def test_a_baseline_that_is_not_the_best_at_its_own_task_spans_no_box():
    box = Box.of(np.array([[0.5, 0.3], [0.6, 0.8]]), np.array([0.1, 0.2]))
    assert box.ideal is None


def test_points_that_the_hypervolume_does_not_see_are_named():
    analysis = run(
        *BASELINES,
        point("x", [0.6, 0.6], (0.5, 0.5)),
        point("x", [0.95, 0.1], (0.9, 0.1)),
        point("y", [0.6, 0.7]),
    )
    assert "add nothing: x (1 of 2)." in box_text(analysis)
    assert "add nothing" not in box_text(run(*BASELINES, point("y", [0.6, 0.7])))
    assert "random order (a 0.1000, b 0.2000)" in box_text(run(point("y", [0.6, 0.7])))


def test_a_box_as_narrow_as_the_noise_is_named():
    near = [noisy("stl a", [0.9, 0.3], seed=1), noisy("stl b", [0.4, 0.305], seed=2)]
    text = box_text(run(*near, noisy("x", [0.6, 0.3])))
    assert "less than two standard errors in b (0.0050 ± 0.0" in text
    assert "standard errors" not in box_text(run(*NOISY, noisy("x", [0.6, 0.6])))


def test_hypervolumes_of_a_box_as_narrow_as_the_noise_are_in_no_mean():
    near = [noisy("stl a", [0.9, 0.3], seed=1), noisy("stl b", [0.4, 0.305], seed=2)]
    front = [noisy("x", [0.6, 0.3], seed=3), noisy("x", [0.5, 0.4], seed=4)]
    single = noisy("y", [0.6, 0.3], seed=5)
    wide, narrow = run(*NOISY, *front, single), run(*near, *front, single)
    for analyses, has_mean in (([wide, wide], True), ([wide, narrow], False)):
        table = paper_table(analyses)
        rows = {row[0]: row for row in table.rows}
        assert (rows["x"][-1] is not None) is has_mean
        assert rows["y"][-1] is not None
        assert ("they have no mean" in table.note) is not has_mean


def test_hypervolume_is_the_share_of_the_box():
    analysis = run(
        *BASELINES, point("x", [0.6, 0.7], (0.5, 0.5)), point("x", [0.8, 0.4], (0.9, 0.1))
    )
    left, right = (0.6 - 0.35) * (0.7 - 0.25), (0.8 - 0.6) * (0.4 - 0.25)
    expected = (left + right) / ((0.9 - 0.35) * (0.8 - 0.25))
    assert analysis.methods[0].hypervolume.value == pytest.approx(expected)
    assert analysis.methods[0].points == (2, 3)
    assert analysis.pareto == analysis.methods


def test_other_methods_do_not_move_a_hypervolume():
    one = run(*BASELINES, point("x", [0.6, 0.7]))
    two = run(*BASELINES, point("x", [0.6, 0.7]), point("y", [0.1, 0.1]))
    volumes = {row.method: row.hypervolume.value for row in two.methods}
    assert volumes["x"] == one.methods[0].hypervolume.value
    assert volumes["y"] == 0


def test_delta_m_is_the_mean_relative_loss():
    analysis = run(*BASELINES, point("x", [0.45, 0.88]))
    expected = 100 / 2 * ((0.9 - 0.45) / 0.9 + (0.8 - 0.88) / 0.8)
    assert analysis.delta_m[2].value == pytest.approx(expected)
    assert analysis.methods[0].delta_m.value == pytest.approx(expected)
    assert expected == pytest.approx(delta_m([0.45, 0.88], [0.9, 0.8]))


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


def noisy(method, values, preference=None, seed=0, **options):
    """A point whose mean over 400 lists is exactly what is given."""
    noise = np.random.default_rng(seed).normal(size=(2, 400)) * 0.1
    noise -= noise.mean(axis=1, keepdims=True)
    queries = np.array(values)[:, None] + noise
    return point(method, values, preference, queries, **options)


NOISY = [noisy("stl a", [0.9, 0.3], seed=1), noisy("stl b", [0.4, 0.8], seed=2)]


def test_intervals_are_two_standard_errors():
    analysis = run(*NOISY, noisy("x", [0.6, 0.6]))
    found = analysis.values[2][0]
    error = standard_error(analysis.points[2].queries)[0]
    assert found.value == pytest.approx(0.6)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.25)
    assert found.seed_spread is None


def test_the_improvement_is_over_the_named_points():
    ls = [noisy("ls", [0.8, 0.4], (0.9, 0.1)), noisy("ls", [0.5, 0.7], (0.1, 0.9))]
    x = noisy("x", [0.7, 0.6])
    for against, named in (("stl", NOISY), ("ls", ls)):
        analysis = run(*NOISY, *ls, x, against=against)
        box = {"maximize": True, "ideal": analysis.box.ideal}
        old = np.stack([p.values for p in named])
        before = hypervolume(old, analysis.box.reference, **box)
        after = hypervolume(np.vstack([old, x.values]), analysis.box.reference, **box)
        row = next(row for row in analysis.methods if row.method == "x")
        assert row.improvement.value == pytest.approx(after - before)
        assert 0 <= row.improvement.low <= row.improvement.high
    assert next(row for row in analysis.methods if row.method == "ls").improvement.value == 0


def test_delta_m_is_at_the_preference_that_validation_prefers():
    """Not at the one that happens to be best on the lists that are reported."""
    analysis = run(
        *NOISY,
        noisy("x", [0.85, 0.75], (0.9, 0.1), validation=[0.5, 0.5]),
        noisy("x", [0.60, 0.60], (0.1, 0.9), validation=[0.7, 0.7]),
    )
    row = analysis.methods[0]
    assert row.chosen == 3
    assert row.delta_m.value == pytest.approx(delta_m([0.6, 0.6], [0.9, 0.8]))


def test_methods_with_a_front_come_first_then_the_others_by_delta_m():
    analysis = run(
        *NOISY,
        noisy("one", [0.5, 0.5]),
        noisy("two", [0.7, 0.7]),
        noisy("low", [0.45, 0.5], (0.1, 0.9)),
        noisy("low", [0.5, 0.45], (0.9, 0.1)),
        noisy("high", [0.6, 0.7], (0.1, 0.9)),
        noisy("high", [0.7, 0.6], (0.9, 0.1)),
    )
    assert [row.method for row in analysis.methods] == ["high", "low", "two", "one"]
    assert [row.method for row in analysis.pareto] == ["high", "low"]
    volume, delta = analysis.families
    assert [(c.first, c.second) for c in volume.comparisons] == [("high", "low")]
    assert volume.beaten_by("high") == ["low"]
    assert len(delta.comparisons) == 6
    assert delta.beaten_by("two") == ["high", "low", "one"]
    # What the test is about is the difference that the tables show.
    shown = {row.method: row.delta_m.value for row in analysis.methods}
    for one in delta.comparisons:
        assert one.difference == pytest.approx(shown[one.first] - shown[one.second])
        assert one.low < one.difference < one.high


def test_without_baselines_the_mean_metric_is_compared():
    analysis = run(noisy("x", [0.6, 0.6]), noisy("y", [0.3, 0.6], seed=3))
    (family,) = analysis.families
    assert family.quantity == "mean metric"
    assert family.comparisons[0].difference == pytest.approx(0.15)
    assert family.beaten_by("x") == ["y"]
    assert analysis.methods[0].delta_m is None


def test_how_often_a_point_is_on_the_front():
    analysis = run(
        *NOISY,
        noisy("x", [0.6, 0.6]),
        noisy("worse", [0.5, 0.5]),
        noisy("as good", [0.6, 0.6], seed=4),
    )
    assert analysis.probability_optimal[2] > 0.5
    assert analysis.probability_optimal[3] == 0
    assert 0.05 < analysis.probability_optimal[4] < 1


def test_seeds_give_a_spread():
    seeds = {
        "stl a": {1: [0.9, 0.3], 2: [0.8, 0.3]},
        "stl b": {1: [0.4, 0.8], 2: [0.4, 0.8]},
        "x": {1: [0.6, 0.7], 2: [0.5, 0.7]},
    }
    found = [
        noisy(m, np.mean(list(s.values()), axis=0), by_seed={k: np.array(v) for k, v in s.items()})
        for m, s in seeds.items()
    ]
    analysis = run(*found)
    assert analysis.values[2][0].seed_spread == pytest.approx(np.std([0.6, 0.5], ddof=1))
    deltas = [delta_m([0.6, 0.7], [0.9, 0.8]), delta_m([0.5, 0.7], [0.8, 0.8])]
    assert analysis.delta_m[2].seed_spread == pytest.approx(np.std(deltas, ddof=1))
    volumes = [analysis.box.volume(np.array([v])) for v in seeds["x"].values()]
    row = analysis.methods[0]
    assert row.hypervolume.seed_spread == pytest.approx(np.std(volumes, ddof=1))


def test_the_rank_correlation_of_a_sweep():
    rows = {trade.task: trade for trade in run(*sweep(0.1, 0.5, 0.4)).trades}
    assert rows["a"].rank_correlation == pytest.approx(0.5)  # 1 − 6·(1 + 1)/(3·8)
    assert rows["b"].rank_correlation == pytest.approx(0.5)
    flat = run(*sweep(0.3, 0.3, 0.3)).trades[0]
    assert flat.rank_correlation == 0


def test_draws_in_which_a_baseline_is_0_are_left_out():
    """Δm is relative to the baselines: with few lists a draw may have a baseline of 0."""
    rare = [[0.9] * 12, [1.0] + [0.0] * 11]
    other = [[0.5] * 12, [0.2] * 12]
    found = run(
        point("stl a", [0.9, 1 / 12], queries=rare),
        point("stl b", [0.9, 1 / 12], queries=rare),
        point("x", [0.5, 0.2], queries=other),
    )
    assert 100 < found.resamples < 160  # of 200: (11/12)¹² of the draws lack the one list
    assert np.isfinite(found.delta_m[2].high)
    nothing = [[0.9] * 12, [0.0] * 12]
    found = run(
        point("stl a", [0.9, 0], queries=nothing),
        point("stl b", [0.9, 0], queries=nothing),
        point("x", [0.5, 0.2], queries=other),
    )
    assert found.resamples == 200
    assert found.delta_m == ()


def test_the_mean_over_task_sets_has_the_interval_of_lists_drawn_for_all_sets_at_once():
    """Against a bootstrap written out: lists are drawn, and everything is computed from them."""
    rng = np.random.default_rng(5)
    lists, sets = 60, (("a", "b"), ("a", "c"))
    level = rng.normal(size=lists)  # a list is easy or hard for all tasks and methods
    means = {
        "stl a": {"a": 0.6, "b": 0.3, "c": 0.3},
        "stl b": {"a": 0.3, "b": 0.6, "c": 0.2},
        "stl c": {"a": 0.3, "b": 0.2, "c": 0.6},
        "ls 1": {"a": 0.55, "b": 0.45, "c": 0.5},
        "ls 2": {"a": 0.45, "b": 0.55, "c": 0.55},
        "one": {"a": 0.5, "b": 0.5, "c": 0.5},
    }
    values = {
        name: {
            task: mean + 0.1 * level + 0.02 * rng.normal(size=lists) for task, mean in of.items()
        }
        for name, of in means.items()
    }

    def points(tasks):
        for name, of in values.items():
            if name.startswith("stl") and name[4:] not in tasks:
                continue
            queries = np.stack([of[task] for task in tasks])
            vector = {"ls 1": (0.7, 0.3), "ls 2": (0.3, 0.7)}.get(name)
            yield point(
                name if vector is None else "ls", queries.mean(axis=1), vector, queries=queries
            )

    analyses = [
        analyse(
            PointSet(tasks, "test", "ndcg@10", tuple(points(tasks)), np.zeros(lists, int)),
            {"a": 0.1, "b": 0.1, "c": 0.1},
            resamples=2_000,
        )
        for tasks in sets
    ]
    table = paper_table(analyses)
    assert table is not None
    rows = {row[0]: row for row in table.rows}

    def direct(drawn):
        """The mean improvement of ls and the mean Δm of one, on these lists."""
        improvements, deltas = [], []
        for tasks, analysis in zip(sets, analyses, strict=True):
            at = {n: np.array([of[t][drawn].mean() for t in tasks]) for n, of in values.items()}
            base = [at[f"stl {task}"] for task in tasks]
            volume = analysis.box.volume
            both = np.stack([at["ls 1"], at["ls 2"], *base])
            improvements.append(volume(both) - volume(np.stack(base)))
            deltas.append(delta_m(at["one"], [base[k][k] for k in range(2)]))
        return np.mean(improvements), np.mean(deltas)

    centre = np.array(direct(np.arange(lists)))
    draws = np.random.default_rng(6)
    redrawn = np.array([direct(draws.integers(lists, size=lists)) for _ in range(2_000)])
    ends = basic_interval(centre, redrawn)
    for k, name in enumerate(("ls", "one")):
        found = rows[name][-1].value
        assert found.value == pytest.approx(centre[k])
        width = ends[k, 1] - ends[k, 0]
        assert found.low == pytest.approx(
            max(ends[k, 0], 0.0 if k == 0 else -np.inf), abs=width / 8
        )
        assert found.high == pytest.approx(ends[k, 1], abs=width / 8)
        # Sets that share their lists move together: more than independent ones would.
        apart = [rows[name][2].value, rows[name][3].value]
        independent = np.sqrt(sum((one.high - one.low) ** 2 for one in apart)) / 2
        if k == 1:
            assert found.high - found.low > 1.1 * independent


def test_the_mean_over_task_sets_on_other_lists_has_no_interval():
    tasks = [("a", "b"), ("a", "c")]
    analyses = [
        analyse(
            PointSet(
                names,
                "test",
                "ndcg@10",
                tuple(
                    point(name, values, queries=np.repeat(np.array(values)[:, None], lists, axis=1))
                    for name, values in (
                        (f"stl {names[0]}", [0.9, 0.3]),
                        (f"stl {names[1]}", [0.4, 0.8]),
                        ("x", [0.6, 0.6]),
                    )
                ),
                np.zeros(lists, int),
            ),
            {"a": 0.1, "b": 0.1, "c": 0.1},
            resamples=100,
        )
        for names, lists in zip(tasks, (4, 5), strict=True)
    ]
    table = paper_table(analyses)
    assert table is not None
    assert "no mean" not in table.note
    mean = table.rows[0][-1].value
    assert mean == pytest.approx(np.mean([cell.value.value for cell in table.rows[0][2:4]]))
