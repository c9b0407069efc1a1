"""What the package's own helpers give, on examples small enough to check by hand."""

import math

import pytest
import torch

from mtl_optim._checks import as_numbers
from mtl_optim._gramian import cross_gramian, gramian, resolved
from mtl_optim._graph import Cut, reachable_leaves
from mtl_optim._preference import as_ideal, as_preference, as_ray
from mtl_optim._random import random_orders, uniforms
from mtl_optim.pareto.navigation.objective import Values
from mtl_optim.pareto.navigation.sampling import standard_errors


def same(found, *expected):
    return torch.equal(found, torch.tensor(expected, dtype=torch.float64))


def test_numbers_become_float64():
    found = as_numbers("points", [[1, 2], [3, 4]])
    assert found.dtype == "float64"
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_gramian_is_resolved_unless_gradients_are_dependent():
    assert resolved(torch.eye(2).double())
    assert not resolved(torch.ones(2, 2).double())


def test_the_gramian_of_blocks_of_which_one_is_missing():
    one, two = torch.tensor([1.0, 0.0]), torch.tensor([[2.0], [3.0]])
    assert same(gramian([[one, two], [None, two]]), [14.0, 13.0], [13.0, 13.0])


def test_the_gramian_between_two_jacobians():
    found = cross_gramian([[torch.tensor([1.0, 2.0])]], [[torch.tensor([3.0, 4.0])]])
    assert same(found, [11.0])


def test_leaves_behind_a_stop_are_not_reached():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    hidden = a * 2
    assert [leaf is b for leaf in reachable_leaves([hidden @ b], stop=[hidden])] == [True]


def test_gradients_end_at_a_cut():
    w = torch.tensor(3.0, requires_grad=True)
    feature = w**2
    with Cut([feature]) as cut:
        found = cut.taken(torch.autograd.grad(feature * w, [feature, w]))
    assert found == [3.0, 9.0]


@pytest.mark.parametrize("read", [as_preference, as_ray])
def test_preferences_become_float64(read):
    assert same(read([0.25, 0.75]), 0.25, 0.75)


def test_no_ideal_point_is_the_origin():
    assert same(as_ideal(None, 2), 0.0, 0.0)


def test_two_tasks_have_one_order():
    assert random_orders(2, torch.Generator()).tolist() == [[1], [0]]


def test_uniforms_lie_between_minus_one_and_one():
    assert bool((uniforms(torch.Generator())(1000).abs() < 1).all())


def test_standard_errors_leave_out_what_is_missing():
    samples = torch.tensor([[1.0, 2.0, 3.0, math.nan]])
    found = standard_errors(Values(samples.nanmean(dim=1), samples))
    torch.testing.assert_close(found, torch.tensor([1 / math.sqrt(3)]))
