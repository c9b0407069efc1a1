"""What no gradients have as inner products is refused, and rounding alone is not."""

import inspect
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mtl_optim
from mtl_optim import (
    FAMO,
    MGDA,
    CrossGramianWeighting,
    GradDrop,
    GramianWeighting,
    LogLosses,
    MoDo,
    PCGrad,
    SDMGrad,
    Sum,
    UpdateEvery,
    pareto,
)
from mtl_optim._checks import check_gramian
from mtl_optim.pareto import problems
from mtl_optim.testing import random_jacobian


def refuses(error, name, call):
    """The call raises, and names the argument, what was expected and what was found."""
    with pytest.raises(error, match=rf"`{re.escape(name)}.* got ") as raised:
        call()
    assert type(raised.value) is error


def gramian_methods():
    names = (getattr(mtl_optim, name) for name in mtl_optim.__all__)
    kinds = [c for c in names if inspect.isclass(c) and issubclass(c, GramianWeighting)]
    plain = [c for c in kinds if not issubclass(c, CrossGramianWeighting | UpdateEvery)]
    for kind in plain:
        if inspect.isabstract(kind):
            continue
        needed = inspect.signature(kind).parameters
        if "num_tasks" in needed:
            yield pytest.param(lambda K, kind=kind: kind(K), id=kind.__name__)
        elif "preference" in needed and needed["preference"].default is inspect.Parameter.empty:
            yield pytest.param(lambda K, kind=kind: kind([1 / K] * K), id=kind.__name__)
        else:
            yield pytest.param(lambda K, kind=kind: kind(), id=kind.__name__)
    yield pytest.param(lambda K: LogLosses(MGDA()), id="LogLosses")
    yield pytest.param(lambda K: UpdateEvery(MGDA(), steps=2), id="UpdateEvery")


NO_GRAMIANS = {
    "asymmetric": ([[1, 0.5], [0, 1]], "symmetric, got 0.5 for tasks 0 and 1 and 0.0"),
    "asymmetric of three": ([[2, 0, 0], [0, 2, 1], [0, 0.9, 2]], "tasks 1 and 2"),
    "indefinite": ([[1, 2], [2, 1]], "least eigenvalue of its cosines is -1"),
    "indefinite, negative": ([[1, -1.1], [-1.1, 1]], "least eigenvalue"),
    "indefinite of three": ([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "is -0.8"),
    "indefinite, other norms": ([[1e-12, 2e-6], [2e-6, 1]], "is -1"),
    "a row without a diagonal": ([[0, 5], [5, 1]], "least eigenvalue"),
    "negative diagonal": ([[1, 0], [0, -1]], "non-negative diagonal, got -1.0 for task 1"),
}


@pytest.mark.parametrize(("matrix", "message"), NO_GRAMIANS.values(), ids=NO_GRAMIANS)
@pytest.mark.parametrize("make", list(gramian_methods()))
def test_what_no_gradients_have_as_inner_products(make, matrix, message):
    G = torch.tensor(matrix, dtype=torch.float64)
    with pytest.raises(ValueError, match=rf"`gramian` must .*{message}"):
        make(len(G)).weights(losses=torch.ones(len(G), dtype=torch.float64), gramian=G)
    with pytest.raises(ValueError, match=rf"`gramian` must .*{message}"):
        pareto.kkt_residual(G)


def test_between_two_batches_a_gramian_need_not_be_symmetric():
    for method in (SDMGrad(), MoDo()):
        assert method.weights(gramian=torch.tensor([[1.0, 2.0], [-3.0, -1.0]])).shape == (2,)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tasks=st.integers(1, 40),
    rank=st.integers(1, 5),
    decades=st.sampled_from([0.0, 3.0, 12.0]),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32, torch.float64]),
)
def test_rounding_alone_makes_no_gramian_a_wrong_one(seed, tasks, rank, decades, dtype):
    generator = torch.Generator().manual_seed(seed)
    decades = min(decades, 3.0) if dtype == torch.float16 else decades  # its range
    J = random_jacobian(tasks, rank, generator=generator, decades=decades, conflict=0.9)
    if seed % 3 == 0:
        J[0] = 0
    G = (J @ J.T).to(dtype)
    if dtype == torch.float16 and bool((G.diagonal().double() < 1e-4).any()):
        return  # few digits are left there
    check_gramian(G.double())
    J = J.to(dtype)
    check_gramian((J @ J.T).double())


def test_a_squared_norm_that_underflowed_is_that_of_no_gradient():
    G = torch.tensor([[0.0, -1e-30, 0.0], [-1e-30, 1e-20, 0.0], [0.0, 0.0, 1e-20]])
    for tasks in (2, 3):
        weights = PCGrad().weights(gramian=G[:tasks, :tasks])
        assert weights.tolist() == [1.0] * tasks


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_weights_are_of_floating_point_numbers(dtype):
    ones, eye = torch.ones(2).to(dtype), torch.eye(2).to(dtype)
    famo = FAMO(2)
    famo.weights(losses=torch.ones(2))
    for name, call in (
        ("losses", lambda: Sum().weights(losses=ones)),
        ("losses", lambda: MGDA().weights(losses=ones, gramian=torch.eye(2))),
        ("losses", lambda: famo.look_again(ones)),
        ("gramian", lambda: MGDA().weights(gramian=eye)),
        ("gramian", lambda: LogLosses(MGDA()).weights(losses=torch.ones(2), gramian=eye)),
        ("jacobian", lambda: GradDrop()(eye)),
        ("x", lambda: problems.zdt1(ones)),
    ):
        refuses(TypeError, name, call)


def test_shapes_of_weights_calls():
    sparse = torch.eye(2).to_sparse()
    for error, name, call in (
        (TypeError, "gramian", lambda: MGDA().weights(gramian=sparse)),
        (TypeError, "losses", lambda: FAMO(2).weights(losses=[1.0, 2.0])),
        (
            ValueError,
            "gramian",
            lambda: LogLosses(MGDA()).weights(losses=torch.ones(2), gramian=torch.ones(2, 3)),
        ),
        (
            ValueError,
            "losses",
            lambda: LogLosses(MGDA()).weights(losses=torch.ones(3), gramian=torch.eye(2)),
        ),
        (ValueError, "jacobian", lambda: GradDrop()(torch.ones(2))),
        (ValueError, "jacobian", lambda: GradDrop()(torch.ones(0, 2))),
    ):
        refuses(error, name, call)
