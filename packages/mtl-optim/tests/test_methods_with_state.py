"""FAMO and uncertainty weighting: their updates, and what they refuse."""

import pytest
import torch

from mtl_optim import FAMO, UncertaintyWeighting, backward
from mtl_optim.testing import double

# --- FAMO


def test_famo_weighs_relative_falls():
    method, losses = FAMO(3), double(1, 2, 4)
    w = method.weights(losses=losses)
    torch.testing.assert_close(w * losses, (w * losses).mean().expand(3))
    method.look_again(losses * double(0.5, 0.9, 0.9))
    z = method.logits.softmax(dim=0)
    assert float(z[0]) < float(z[1]) == pytest.approx(float(z[2]))
    even = FAMO(3)
    even.weights(losses=losses)
    even.look_again(losses * 0.8)
    torch.testing.assert_close(even.logits.softmax(dim=0), double(1, 1, 1) / 3)


def test_famo_takes_the_step_of_torchs_adam():
    method, losses = FAMO(2, lr=0.1, weight_decay=0.01), double(1, 2)
    xi = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([xi], lr=0.1, weight_decay=0.01)
    for factor in (double(0.5, 0.9), double(0.8, 0.3), double(1.1, 0.9)):
        method.weights(losses=losses)
        after = losses * factor
        adam.zero_grad()
        (xi.softmax(dim=0) @ (losses.log() - after.log())).backward()
        adam.step()
        method.look_again(after)
        losses = after
        torch.testing.assert_close(method.logits, xi.detach())


def test_famo_names_a_loss_below_its_bound_and_a_forgotten_look():
    method = FAMO(2, lower_bounds=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"got 0.5 with the bound 1.0 for task 1"):
        method.weights(losses=double(1, 0.5))
    x = torch.ones(2, requires_grad=True)
    backward(x * 2, method)
    with pytest.raises(RuntimeError, match=r"look_again"):
        backward(x * 2, method)


# --- uncertainty weighting


def test_uncertainty_weighting_learns_the_losses():
    method, losses = UncertaintyWeighting(3), torch.tensor([0.5, 1.0, 4.0])
    x = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([x, *method.parameters()], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        step = backward(losses + 0 * x, method)
        optimizer.step()
    torch.testing.assert_close(method.log_variances.exp().detach(), losses, rtol=1e-3, atol=0)
    torch.testing.assert_close(step.weights.float(), 0.5 / losses, rtol=1e-2, atol=0)


def test_uncertainty_weighting_descends_its_scalar():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    method.log_variances.data = torch.tensor([0.3, -0.2])
    backward(x * 1, method)
    s, y = (t.detach().clone().requires_grad_() for t in (method.log_variances, x))
    (((-s).exp() * y + s) / 2).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(method.log_variances.grad, s.grad)


def test_uncertainty_weighting_that_no_optimizer_holds_is_an_error():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    backward(x * 1, method)
    x.grad = None
    with pytest.raises(RuntimeError, match=r"UncertaintyWeighting.*method.parameters\(\)"):
        backward(x * 1, method)
    assert x.grad is None
    patient = UncertaintyWeighting(2, accumulation=2)
    optimizer = torch.optim.SGD(patient.parameters(), lr=0.1)
    for _ in range(3):
        backward(x * 1, patient)
        backward(x * 1, patient)
        optimizer.step()
    frozen = UncertaintyWeighting(2).requires_grad_(False)
    for _ in range(3):
        backward(x * 1, frozen)


def test_uncertainty_weighting_waits_for_a_scaler_that_skipped_a_step():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    optimizer = torch.optim.SGD([x, *method.parameters()], lr=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        backward(x * 1e3, method, scaler=scaler)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() < 1e38
