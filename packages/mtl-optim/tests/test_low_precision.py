"""Weights that a low precision cannot hold: the direction where that fits, or an error."""

import pytest
import torch

from mtl_optim import FairGrad, LossWeighting, ScaleInvariantScalarization, backward
from mtl_optim.testing import double, seeded


class Given(LossWeighting):
    """Weights as given, for losses in any precision."""

    def __init__(self, *weights):
        super().__init__()
        self.values = double(*weights)

    def forward(self, losses):
        return self.values


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize(
    ("dtype", "entry"),
    [
        (torch.float16, 2.0**-23),  # weights of 1e6 and more, above 65504
        (torch.float32, 2.0**-110),  # weights of 1e40 and more, above 3.4e38
    ],
)
def test_the_direction_fits_where_the_weights_do_not(dtype, entry, size):
    signs = torch.randn(2, size, generator=seeded(0), dtype=torch.float64).sign()
    J = (signs * entry * double(1, 2)[:, None]).to(dtype)
    p = torch.zeros(size, dtype=dtype, requires_grad=True)
    other = torch.zeros(1, dtype=dtype, requires_grad=True)
    losses = [1 + (row * p).sum() + 0 * other.sum() for row in J]
    step = backward(losses, FairGrad(2.0), shared=[p, other])
    assert float(step.weights.max()) > torch.finfo(dtype).max
    exact = J.double().T @ step.weights
    assert bool(torch.isfinite(p.grad).all())
    error = (p.grad.double() - exact).abs().max()
    assert float(error) <= 4 * torch.finfo(dtype).eps * float(exact.abs().max())


@pytest.mark.parametrize("stacked", [False, True])
def test_a_weight_that_the_losses_cannot_hold_is_an_error(stacked):
    x = torch.tensor([1e-6, 1.0], dtype=torch.float16, requires_grad=True)
    losses = 1 * x if stacked else [1 * x[0], 1 * x[1]]
    method = ScaleInvariantScalarization([0.5, 0.5])
    with pytest.raises(ValueError, match=r"weight of task 0.*float16.*float32"):
        backward(losses, method)
    assert x.grad is None
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)  # finds what overflows by itself
    backward(2 * x, Given(1.0, 1.0), scaler=scaler)
    assert bool(torch.isinf(x.grad).any())
