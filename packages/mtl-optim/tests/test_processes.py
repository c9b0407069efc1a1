"""Several processes without a reduce: gradients taken apart from DDP's hooks stay apart."""

import warnings

import pytest
import torch
from torch import distributed

from mtl_optim import MGDA, GradDrop, LinearScalarization, NashMTL, backward


@pytest.fixture
def processes(monkeypatch):
    """As in one of two processes that train together."""
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)


def step(method, route, **options):
    x = torch.ones(2, requires_grad=True)
    hidden = 2 * x
    where = {"shared": [x]} if route == "shared" else {"features": hidden}
    losses = [(hidden * torch.tensor(scale)).sum() for scale in ([3.0, 1.0], [1.0, 3.0])]
    return backward(losses, method, **where, **options)


@pytest.mark.parametrize("method", [MGDA(), GradDrop(), NashMTL(update_every=2)])
@pytest.mark.parametrize("route", ["shared", "features"])
def test_a_step_that_no_process_shares_warns(processes, method, route):
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"2 processes.*`reduce=`.*DistributedDataParallel"):
            step(method, route)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (LinearScalarization([0.5, 0.5]), {}),  # one plain backward, which DDP's hooks see
        (MGDA(), {"reduce": lambda tensor: None}),
    ],
)
def test_a_step_that_is_shared_does_not(processes, method, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(method, "shared", **options)


def test_a_process_alone_is_not_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(MGDA(), "shared")
