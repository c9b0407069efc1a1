"""TorchJD as oracle, at norms of one order, where its own guarantees hold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    COSMOS,
    IMTLG,
    MGDA,
    PBI,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    ExcessMTL,
    FairGrad,
    GeometricLossStrategy,
    GradVac,
    Mean,
    MoDo,
    NashMTL,
    PCGrad,
    SmoothChebyshev,
    Sum,
    UPGrad,
    backward,
)
from mtl_optim.testing import random_jacobian

pytestmark = pytest.mark.oracle
aggregation = pytest.importorskip("torchjd.aggregation")
scalarization = pytest.importorskip("torchjd.scalarization")


def jacobian(seed, tasks, conflict=0.7):
    """Independent gradients, most of them in conflict, whose norms are of one order."""
    generator = torch.Generator().manual_seed(seed)
    return random_jacobian(tasks, tasks + 6, generator=generator, decades=0.5, conflict=conflict)


matrices = given(seed=st.integers(0, 10**6), tasks=st.integers(2, 8))

# Ours, theirs, and how close relative to the direction.
DETERMINISTIC = {
    "MGDA": (MGDA, lambda K: aggregation.MGDA(epsilon=1e-9, max_iters=20_000), 1e-2),
    "UPGrad": (UPGrad, lambda K: aggregation.UPGrad(), 2e-2),
    "DualProj": (DualProj, lambda K: aggregation.DualProj(), 2e-2),
    "CAGrad": (lambda: CAGrad(0.5), lambda K: aggregation.CAGrad(c=0.5), 1e-3),
    "FairGrad(2)": (lambda: FairGrad(2.0), lambda K: aggregation.FairGrad(alpha=2.0), 1e-3),
    "AlignedMTL": (AlignedMTL, lambda K: aggregation.AlignedMTL(), 1e-6),
    "AlignedMTL(rmse)": (
        lambda: AlignedMTL("rmse"),
        lambda K: aggregation.AlignedMTL(scale_mode="rmse"),
        1e-6,
    ),
    "ConFIG": (ConFIG, lambda K: aggregation.ConFIG(), 1e-6),
    "Mean": (Mean, lambda K: aggregation.Mean(), 1e-12),
    "Sum": (Sum, lambda K: aggregation.Sum(), 1e-12),
}


def peer(make, *arguments):
    """What TorchJD makes, or a skip where a solver that it needs for it is not installed."""
    try:
        return make(*arguments)
    except ImportError as error:
        pytest.skip(str(error))


def direction(method, J):
    x = torch.zeros(J.shape[1], dtype=J.dtype, requires_grad=True)
    backward(1 + J @ x, method, shared=[x])
    return x.grad


@pytest.mark.parametrize("name", DETERMINISTIC)
@settings(max_examples=25, derandomize=True)
@matrices
def test_the_direction_is_torchjds(name, seed, tasks):
    make, other, tolerance = DETERMINISTIC[name]
    J = jacobian(seed, tasks)
    ours, theirs = direction(make(), J), peer(other, tasks)(J)
    scale = float(J.norm(dim=1).mean())
    assert float((ours - theirs).norm()) <= tolerance * max(scale, float(ours.norm()))


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem:UserWarning")
def test_nash_is_torchjds_where_that_bargains():
    agreed = 0
    for seed in range(20):
        tasks = 2 + seed % 4
        J = jacobian(seed, tasks, conflict=0.0)
        theirs = peer(lambda n: aggregation.NashMTL(n_tasks=n), tasks)(J)
        # Its sequence of convex programs may end early, and it bounds the length of the step.
        alpha = torch.linalg.lstsq(J.T, theirs).solution
        gains = alpha * (J @ theirs)
        if float(gains.std()) > 0.01 * float(gains.mean()):
            continue
        agreed += 1
        ours = direction(NashMTL(), J)
        assert float(ours @ theirs / ours.norm() / theirs.norm()) > 1 - 1e-4
    assert agreed >= 5


@settings(max_examples=25, derandomize=True)
@matrices
def test_imtlg_is_torchjds_where_its_sum_is_clear(seed, tasks):
    J = jacobian(seed, tasks, conflict=0.0)
    w = aggregation.IMTLGWeighting()(J @ J.T)
    if float(w.sum()) > 0.5 * float(w.abs().sum()):
        torch.testing.assert_close(IMTLG().weights(gramian=J @ J.T), w, rtol=1e-6, atol=1e-8)


@settings(max_examples=25, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_projections_of_two_tasks_are_torchjds(seed):
    # With two tasks there is one order.
    J = jacobian(seed, 2, conflict=1.5)
    torch.testing.assert_close(direction(PCGrad(), J), aggregation.PCGrad()(J))
    ours, theirs = GradVac(0.3), aggregation.GradVac(beta=0.3)
    for step in range(4):
        J = jacobian(seed + step, 2)
        torch.testing.assert_close(direction(ours, J), theirs(J), rtol=1e-6, atol=1e-8)


@settings(max_examples=25, derandomize=True)
@matrices
def test_modo_is_torchjds_in_its_units(seed, tasks):
    A, B = jacobian(seed, tasks), jacobian(seed + 1, tasks)
    C = A @ B.T
    norm = float(C.norm())
    theirs = aggregation.MoDoWeighting(gamma=0.5 / norm, rho=0.1 * norm)
    ours = MoDo(gamma=0.5, rho=0.1)
    for _ in range(3):
        torch.testing.assert_close(ours.weights(gramian=C), theirs(C))


@settings(max_examples=25, derandomize=True)
@matrices
def test_excess_mtl_is_torchjds(seed, tasks):
    # One step of warmup, which gives the unit of the later ones, as here.
    theirs = aggregation.ExcessMTL(robust_step_size=0.1, n_warmup_steps=1)
    ours = ExcessMTL(step_size=0.1)
    for step in range(4):
        J = jacobian(seed + step, tasks)
        torch.testing.assert_close(direction(ours, J), theirs(J), rtol=1e-4, atol=1e-6)


def scalars(r):
    return {
        "smooth": (SmoothChebyshev(r, mu=0.2), scalarization.STCH(mu=0.2, weights=r)),
        "pbi": (PBI(r, theta=3.0), scalarization.PBI(theta=3.0, weights=1 / r)),
        "geometric": (GeometricLossStrategy(), scalarization.GeometricMean()),
        "cosmos": (COSMOS(r, penalty=2.0), scalarization.COSMOS(lambda_=2.0, weights=r)),
        "mean": (Mean(), scalarization.Mean()),
        "sum": (Sum(), scalarization.Sum()),
    }


@pytest.mark.parametrize("name", scalars(torch.ones(2) / 2))
@settings(max_examples=25, derandomize=True)
@matrices
def test_the_weights_are_the_slopes_of_torchjds_scalar(name, seed, tasks):
    generator = torch.Generator().manual_seed(seed)
    r, losses = 0.1 + torch.rand(2, tasks, generator=generator, dtype=torch.float64)
    ours, theirs = scalars(r / r.sum())[name]
    values = losses.clone().requires_grad_()
    theirs(values).backward()
    torch.testing.assert_close(ours.weights(losses=losses), values.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_gramian_of_samples_is_torchjds(tasks):
    autogram = pytest.importorskip("torchjd.autogram")
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.GroupNorm(2, 4),
        torch.nn.Flatten(),
        torch.nn.Linear(64, tasks),
    ).double()
    x = torch.randn(6, 2, 6, 6, dtype=torch.float64)
    ours = backward(model(x).square(), UPGrad(), modules=model).gramian
    theirs = autogram.Engine(model, batch_dim=0).compute_gramian(model(x).square())
    torch.testing.assert_close(ours, theirs)
