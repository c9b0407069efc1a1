"""A hinge that reaches exactly 0 ends no training; a negative loss does."""

import pytest
import torch

from mtl_optim import (
    DBMTL,
    EPO,
    FAMO,
    IMTLL,
    MGDA,
    CAGrad,
    DynamicWeightAverage,
    GeometricLossStrategy,
    GradNorm,
    LogLosses,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    UncertaintyWeighting,
    backward,
)
from mtl_optim.testing import double

R = [0.2, 0.3, 0.5]
METHODS = {
    "ScaleInvariantScalarization": lambda: ScaleInvariantScalarization(R),
    "GeometricLossStrategy": GeometricLossStrategy,
    "DynamicWeightAverage": DynamicWeightAverage,
    "SmoothChebyshev(average)": lambda: SmoothChebyshev(R, mu=1.0, average=0.9),
    "FAMO": lambda: FAMO(3),
    "GradNorm": lambda: GradNorm(3),
    "DBMTL": DBMTL,
    "EPO": lambda: EPO(R),
    "MGDA(loss)": lambda: MGDA("loss"),
    "MGDA(loss+)": lambda: MGDA("loss+"),
    "LogLosses(CAGrad)": lambda: LogLosses(CAGrad()),
    "LogLosses(MGDA)": lambda: LogLosses(MGDA(), keep_scale=True),
}
NO_SIGN = {"IMTLL": lambda: IMTLL(3), "UncertaintyWeighting": lambda: UncertaintyWeighting(3)}


def hinges(x):
    """Three losses: the first is a hinge that is 0 from x_0 = 1 on."""
    return torch.stack([(1 - x[0]).relu(), 1 + (x[1] - 1) ** 2, 2 + (x[1] + x[2]) ** 2])


@pytest.mark.parametrize("make", [*METHODS.values(), *NO_SIGN.values()], ids=[*METHODS, *NO_SIGN])
def test_a_training_goes_on_when_a_hinge_reaches_zero(make):
    method = make()
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x, *method.parameters()], lr=0.01)
    for turn in range(12):
        optimizer.zero_grad()
        step = backward(hinges(x), method, shared=[x])
        assert bool(torch.isfinite(step.weights).all())
        optimizer.step()
        if turn == 4:
            with torch.no_grad():
                x[0] = 2.0
        if turn == 9:
            with torch.no_grad():
                x[0] = 0.5
        if isinstance(method, FAMO):
            method.look_again(hinges(x))
            assert bool(torch.isfinite(method.logits).all())
        if isinstance(method, DynamicWeightAverage) and turn % 2:
            method.end_epoch()
        assert (float(hinges(x.detach())[0]) == 0) == (4 <= turn < 9)
    assert bool(torch.isfinite(x).all())


@pytest.mark.parametrize("name", METHODS)
def test_a_negative_loss_stays_an_error(name):
    method = METHODS[name]()
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def step():
        backward(x + double(1, -1, 1), method, shared=[x])
        method.end_epoch()  # of the one that looks at the epoch's mean

    with pytest.raises(ValueError, match=r"at least .*got -1.0 .*task 1"):
        step()


# The first gradient is 0 with its loss, as that of a hinge is, and small before.
def weights(make, loss):
    J = torch.tensor([[1, 1, 0], [0, 1, -0.5], [0, 0, 1]], dtype=torch.float64)
    J[0] *= loss
    return make().weights(losses=double(loss, 1, 2), gramian=J @ J.T)


LIMITS = ["ScaleInvariantScalarization", "GeometricLossStrategy", "SmoothChebyshev(average)"]


@pytest.mark.parametrize("name", [*LIMITS, "GradNorm", "MGDA(loss)", "MGDA(loss+)"])
def test_the_weights_of_the_other_tasks_are_the_limit(name):
    make = METHODS[name]
    if name == "GradNorm":

        def make():
            method = GradNorm(3)
            method.weights(losses=double(1, 1, 2), gramian=torch.eye(3))
            return method

    near = weights(make, 1e-200 if "Geometric" in name else 1e-12)
    torch.testing.assert_close(weights(make, 0.0)[1:], near[1:], rtol=1e-9, atol=1e-10)


def test_the_other_tasks_of_epo_are_those_of_a_run_without_a_gradient():
    G = torch.zeros(3, 3, dtype=torch.float64)
    G[1:, 1:] = torch.tensor([[1.25, -0.5], [-0.5, 1.0]])
    tiny = EPO(R).weights(losses=double(1e-300, 1, 2), gramian=G)
    torch.testing.assert_close(EPO(R).weights(losses=double(0, 1, 2), gramian=G), tiny)
    assert EPO(R).weights(losses=double(0, 0, 0), gramian=0 * G).tolist() == [1 / 3] * 3


def test_a_task_at_its_bound_leaves_famo_to_the_others():
    w = FAMO(3).weights(losses=double(0, 1, 3))
    torch.testing.assert_close(w, double(0, 0.75, 0.25))
    assert FAMO(2).weights(losses=double(0, 0)).tolist() == [0, 0]
    one, other = FAMO(2), FAMO(2)
    for method, after in ((one, 0.0), (other, 1e-8)):
        method.weights(losses=double(1, 1))
        method.look_again(double(after, 1))
    torch.testing.assert_close(one.logits, other.logits)


def test_log_losses_leave_a_loss_of_zero_out():
    G, losses = torch.diag(double(0, 1, 4)), double(0, 1, 2)
    found = LogLosses(CAGrad(), keep_scale=True).weights(losses=losses, gramian=G)
    inner = CAGrad().weights(gramian=torch.diag(double(0, 1, 1)))
    torch.testing.assert_close(found, inner * double(0, 1, 0.5) * 4 / 3)


def test_dynamic_weight_average_of_losses_at_zero():
    method = DynamicWeightAverage(temperature=1.0)
    for losses in (double(1, 0, 2), double(0, 0, 1), double(0, 1, 1)):
        method.weights(losses=losses)
        method.end_epoch()
        if float(losses[2]) == 1 and float(losses[1]) == 0:
            now = method.weights(losses=losses)
            torch.testing.assert_close(now, 3 * double(0, 1, 0.5).softmax(dim=0))
            method.epoch_sum.zero_()
            method.epoch_steps.zero_()
    assert method.weights(losses=double(1, 1, 1)).tolist() == [0, 3, 0]


def test_gradnorm_learns_from_a_loss_of_zero():
    method, G = GradNorm(2, alpha=1.0), torch.diag(double(0, 4))
    with pytest.raises(ValueError, match=r"GradNorm needs positive `losses`, got 0.0 for task 0"):
        method.weights(losses=double(0, 1), gramian=G)
    method.weights(losses=double(1, 1), gramian=G)
    lengths = double(0, 2)
    for losses, rate in ((double(0, 1), double(0, 2)), (double(0, 0), double(1, 1))):
        objective = method.objective(losses, G)
        torch.testing.assert_close(objective, (lengths - lengths.mean() * rate).abs().sum())


def test_a_running_mean_of_zero_weighs_nothing():
    method = SmoothChebyshev([0.5, 0.5], mu=1.0, average=0.5)
    assert method.weights(losses=double(0, 0)).tolist() == [0, 0]
    assert float(method.weights(losses=double(0, 1))[0]) == 0


def test_db_mtl_adds_nothing_for_a_loss_of_zero():
    assert DBMTL().factors(double(0, 4)).tolist() == [0, 0.25]
