"""Invariants of the Gramian methods through the driver: one task, rotations, zero columns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FairGrad,
    GradDrop,
    GradVac,
    MoDo,
    NashMTL,
    PCGrad,
    SDMGrad,
    UPGrad,
    backward,
)
from mtl_optim.testing import random_jacobian

METHODS = {
    "MGDA": MGDA,
    "MGDA(norm)": lambda: MGDA("norm"),
    "PCGrad": PCGrad,
    "CAGrad": CAGrad,
    "IMTLG": IMTLG,
    "NashMTL": NashMTL,
    "FairGrad(2)": lambda: FairGrad(2.0),
    "UPGrad": UPGrad,
    "DualProj": DualProj,
    "AlignedMTL": AlignedMTL,
    "ConFIG": ConFIG,
    "GradVac": GradVac,
    "SDMGrad": lambda: SDMGrad(one_batch=True),
    "MoDo": lambda: MoDo(one_batch=True),
}
# With one task the direction is g ‖g‖ᵖ, p = 0 but for those whose step is not proportional to it,
# times 1 but for CAGrad's 1 + c: its ball reaches so far along the gradient.
POWERS, FACTORS = {"NashMTL": -1.0, "FairGrad(2)": -4 / 3}, {"CAGrad": 1.5}

cases = given(
    seed=st.integers(0, 2**31 - 1), tasks=st.integers(1, 12), decades=st.sampled_from([0.0, 2.0])
)


def direction(method, J):
    x = torch.zeros(J.shape[1], dtype=J.dtype, requires_grad=True)
    backward(1 + J @ x, method, shared=[x])
    return x.grad


def jacobian(seed, tasks, decades):
    generator = torch.Generator().manual_seed(seed)
    return random_jacobian(
        tasks, tasks + 3, generator=generator, decades=decades, conflict=0.7 if tasks > 1 else 0.0
    )


def assert_equal_up_to_rounding(one, other, J):
    scale = float(one.norm()) + float(J.norm(dim=1).min())
    assert float((one - other).norm()) <= 1e-6 * scale


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("norm", [1e-10, 1.0, 1e10])
def test_one_task_is_its_gradient_times_the_documented_scale(name, norm):
    g = norm * torch.tensor([[0.6, -0.8]], dtype=torch.float64)
    expected = FACTORS.get(name, 1.0) * norm ** POWERS.get(name, 0.0) * g[0]
    torch.testing.assert_close(direction(METHODS[name](), g), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=12, derandomize=True)
@cases
def test_a_rotation_of_the_parameters_rotates_the_direction(name, seed, tasks, decades):
    J = jacobian(seed, tasks, decades)
    generator = torch.Generator().manual_seed(seed)
    Q, _ = torch.linalg.qr(torch.randn(len(J.T), len(J.T), generator=generator, dtype=J.dtype))
    d = direction(METHODS[name](), J)
    assert_equal_up_to_rounding(d @ Q, direction(METHODS[name](), J @ Q), J)


@pytest.mark.parametrize("name", [*METHODS, "GradDrop"])
@settings(max_examples=6, derandomize=True)
@cases
def test_parameters_that_no_task_reaches_change_nothing(name, seed, tasks, decades):
    make = GradDrop if name == "GradDrop" else METHODS[name]
    J = jacobian(seed, tasks, decades)
    d = direction(make(), J)
    wider = direction(make(), torch.nn.functional.pad(J, (0, 4)))
    assert_equal_up_to_rounding(d, wider[:-4], J)
    assert not wider[-4:].any()


@pytest.mark.parametrize("name", [*METHODS, "GradDrop"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_gradients_give_the_direction_of_their_values(name, dtype):
    make = GradDrop if name == "GradDrop" else METHODS[name]
    for tasks in (1, 2, 5, 12):
        J = jacobian(tasks, tasks, 0.0).to(dtype)
        low, exact = direction(make(), J), direction(make(), J.double())
        assert low.dtype == dtype
        parts = float(J.double().norm(dim=1).sum()) * 4
        assert float((low.double() - exact).norm()) <= 30 * torch.finfo(dtype).eps * parts


@pytest.mark.parametrize("name", METHODS)
def test_no_gradient_gives_no_direction(name):
    for tasks in range(1, 13):
        J = torch.zeros(tasks, 3, dtype=torch.float64)
        assert not direction(METHODS[name](), J).any()


@settings(max_examples=40, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    tasks=st.integers(2, 12),
    name=st.sampled_from(["UPGrad", "DualProj"]),
    norm=st.sampled_from([1e-10, 1.0, 1e10]),
)
def test_projections_conflict_with_no_task_at_a_ratio_of_a_million(seed, tasks, name, norm):
    J = jacobian(seed, tasks, 0.0)
    J *= norm * torch.logspace(0, -6, tasks, dtype=J.dtype)[:, None] / J.norm(dim=1, keepdim=True)
    d = direction(METHODS[name](), J)
    cosines = J @ d / J.norm(dim=1) / d.norm()
    assert float(cosines.min()) >= -1e-9
