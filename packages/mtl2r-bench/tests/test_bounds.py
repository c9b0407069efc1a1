"""Bounds of the epsilon-constraint method."""

from itertools import combinations
from math import log

import pytest

from mtl2r_bench.config import MethodConfig
from mtl2r_bench.study.bounds import pairs_per_list, payoff_bounds, with_bounds


def test_bounds_lie_between_a_tasks_best_and_what_the_main_task_costs_it():
    losses = {
        "a": {"a": 1.0, "b": 9.0, "c": 4.0},
        "b": {"a": 8.0, "b": 2.0, "c": 5.0},
        "c": {"a": 7.0, "b": 6.0, "c": 3.0},
    }
    assert payoff_bounds({"a": 1.0, "b": 0.0, "c": 0.0}, losses) == {"b": 9.0, "c": 4.0}
    assert payoff_bounds({"a": 0.0, "b": 0.5, "c": 0.5}, losses) == {"b": 2.0, "c": 3.0}
    middle = payoff_bounds({"a": 0.2, "b": 0.2, "c": 0.6}, losses)
    assert middle == {"b": (2 + 9) / 2, "c": pytest.approx(3 + 0.2 / 0.8 * (4 - 3))}


def test_pairs_are_those_of_different_labels(splits):
    labels = splits.train.labels[1]
    counts = []
    for start, end in zip(splits.train.offsets[:-1], splits.train.offsets[1:], strict=True):
        counts.append(sum(a != b for a, b in combinations(labels[start:end].tolist(), 2)))
    teach = [count for count in counts if count]
    assert pairs_per_list(splits.train, "quality") == pytest.approx(sum(teach) / len(teach))


def test_a_papers_unit_becomes_the_losss(splits):
    method = MethodConfig(name="ec", rule="bits_per_pair", options={"bounds": {"quality": 0.01}})
    found = with_bounds(method, splits.tasks, splits.train, {})
    expected = 0.01 * log(2) * pairs_per_list(splits.train, "quality")
    assert found.options["bounds"] == {"quality": pytest.approx(expected)}
    plain = MethodConfig(name="ec", options={"bounds": {"quality": 0.01}})
    assert with_bounds(plain, splits.tasks, splits.train, {}) is plain
