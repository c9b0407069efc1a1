"""A method of one's own that breaks the contract is told so before a gradient is written."""

import pytest
import torch

from mtl_optim import (
    FAMO,
    MGDA,
    GramianWeighting,
    JacobianAggregator,
    LogLosses,
    LossWeighting,
    UncertaintyWeighting,
    backward,
)


def of_losses(answer):
    class Own(LossWeighting):
        def forward(self, losses):
            return answer

    return Own()


def of_gramian(answer):
    class Own(GramianWeighting):
        def forward(self, gramian, losses):
            return answer

    return Own()


@pytest.mark.parametrize("make", [of_losses, of_gramian])
@pytest.mark.parametrize("wrap", [lambda method: method, LogLosses])
@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ([1.0, 1.0], TypeError, r"Own.*weights.*tensor, got list"),
        (torch.ones(1), ValueError, r"Own.*weights.*\(task,\).*\(2,\).*\(1,\)"),
        (torch.ones(2, 1), ValueError, r"Own.*weights.*\(task,\).*\(2, 1\)"),
        (torch.tensor([1.0, torch.nan]), ValueError, r"Own.*weight of task 1.*nan"),
        (torch.tensor([torch.inf, 1.0]), ValueError, r"Own.*weight of task 0.*inf"),
    ],
)
def test_weights_are_finite_and_one_per_task(make, wrap, answer, error, message):
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(error, match=message):
        backward(x * 2, wrap(make(answer)), shared=[x])
    assert x.grad is None


def test_weights_that_a_wrapper_makes_infinite_are_refused():
    x = torch.full((2,), 1e-300, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match=r"LogLosses.*weight of task 0.*inf"):
        backward(x * 1, LogLosses(of_losses(torch.full((2,), 1e10, dtype=torch.float64))))
    diverged = UncertaintyWeighting(2)
    torch.nn.init.constant_(diverged.log_variances, -1e4)
    with pytest.raises(ValueError, match=r"UncertaintyWeighting.*weight of task 0.*inf"):
        backward(x * 1, diverged)
    assert x.grad is None


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (torch.ones(3), ValueError, r"Own.*direction.*\(param,\).*\(2,\).*\(3,\)"),
        (1.0, TypeError, r"Own.*direction.*tensor, got float"),
    ],
)
@pytest.mark.parametrize("route", ["shared", "features"])
def test_a_direction_is_one_number_per_column(answer, error, message, route):
    class Own(JacobianAggregator):
        def forward(self, jacobian):
            return answer

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(error, match=message):
        backward(x * 2, Own(), **{route: [x]})
    assert x.grad is None


def test_the_inner_method_of_log_losses_says_whose_losses_it_means():
    with pytest.raises(ValueError, match=r"FAMO needs") as caught:
        LogLosses(FAMO(2)).weights(losses=torch.tensor([0.5, 2.0]))
    assert any("LogLosses" in note and "logarithms" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["shared"], r"`shared` must hold parameters.*computed.*`features=`"),
        (["features", "heads"], r"`heads` must hold parameters.*computed"),
    ],
)
def test_what_is_computed_is_no_parameter(where, message):
    x = torch.ones(2, requires_grad=True)
    hidden = 2 * x
    with pytest.raises(ValueError, match=message):
        backward(hidden * 3, MGDA(), **{name: [hidden] for name in where})
    assert x.grad is None
