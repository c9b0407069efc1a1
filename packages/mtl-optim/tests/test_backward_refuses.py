"""What the driver refuses, by name and before anything is written."""

import pytest
import torch
from torch import nn

from mtl_optim import MGDA, JacobianAggregator, LinearScalarization, backward


class Mean(JacobianAggregator):
    def forward(self, jacobian):
        return jacobian.mean(dim=0)


class Bad(nn.Module):
    pass


X = torch.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("losses", "method", "options", "error", "message"),
    [
        (lambda x: [x[0], x[1]], MGDA(), {}, ValueError, "`shared=`.*`features=`.*neither"),
        (lambda x: [x[0]], MGDA(), {"shared": [X], "features": X}, ValueError, "both"),
        (
            lambda x: [x[0], x],
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"`losses\[1\]`.*scalar.*\(2,\)",
        ),
        (
            lambda x: x.outer(x),
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"shape \(task,\), got \(2, 2\)",
        ),
        (lambda x: [], MGDA(), {"shared": [X]}, ValueError, "at least one task"),
        (lambda x: [x[0], 1.0], MGDA(), {"shared": [X]}, TypeError, r"`losses\[1\]`.*float"),
        (
            lambda x: [x[0], torch.ones(())],
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"`losses\[1\]`.*graph",
        ),
        (lambda x: torch.ones(2), MGDA(), {"shared": [X]}, ValueError, "graph"),
        (lambda x: [x[0] * torch.nan, x[1]], MGDA(), {"shared": [X]}, ValueError, "loss of task 0"),
        (
            lambda x: [x[0], x[1] / 0],
            LinearScalarization([0.5, 0.5]),
            {},
            ValueError,
            "loss of task 1",
        ),
        (
            lambda x: [x[0], (x - 1).abs().sum().sqrt()],
            MGDA(),
            {"shared": [X]},
            ValueError,
            "gradient of task 1",
        ),
        (lambda x: [x[0]], Bad(), {}, TypeError, "`method`.*Bad"),
        (
            lambda x: [x[0]],
            MGDA(),
            {"shared": [torch.ones(1, requires_grad=True)]},
            ValueError,
            r"`shared` must be tensors that `losses`",
        ),
        (lambda x: [x[0]], MGDA(), {"shared": []}, ValueError, r"`shared`.*requires grad"),
        (lambda x: [x[0]], MGDA(), {"features": X.detach()}, ValueError, r"`features`.*requires"),
        (
            lambda x: [x[0]],
            MGDA(),
            {"features": torch.ones(1, requires_grad=True)},
            ValueError,
            "`features`",
        ),
        (lambda x: [x[0]], MGDA(), {"shared": nn.Linear(1, 1)}, TypeError, r"`parameters\(\)`"),
        (lambda x: [x[0]], MGDA(), {"shared": [("x", X)]}, TypeError, "`shared`.*got tuple"),
        (lambda x: [x[0]], MGDA(), {"features": "x"}, TypeError, "`features`.*got str"),
        (lambda x: [x[0]], MGDA(), {"shared": X, "heads": [Bad()]}, TypeError, "`heads`.*got Bad"),
        (lambda x: [x[0], 1j * x[1]], MGDA(), {"shared": [X]}, TypeError, r"`losses\[1\]`.*real"),
        (lambda x: 1j * x, Mean(), {"shared": [X]}, TypeError, "`losses` must be real"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(losses, method, options, error, message):
    with pytest.raises(error, match=message):
        backward(losses(X), method, **options)
    assert X.grad is None
