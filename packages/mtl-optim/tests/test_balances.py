"""Methods that balance losses or norms: ReLoBRaLo, GO4Align, LDC-MTL, norms, annealing."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    LDCMTL,
    GO4Align,
    LearningRateAnnealing,
    NormBalance,
    ReLoBRaLo,
    UpdateEvery,
    backward,
)
from mtl_optim.pareto.problems import spheres
from mtl_optim.testing import double, random_jacobian, seeded, slopes

several = settings(max_examples=40, derandomize=True, deadline=None)
losses_of = st.lists(st.floats(0.1, 10), min_size=1, max_size=6).map(lambda x: double(*x))
seeds = st.integers(0, 2**32 - 1)


def positive(tasks, steps, seed=0):
    return 0.1 + torch.rand(steps, tasks, generator=seeded(seed), dtype=torch.float64)


# --- ReLoBRaLo


@pytest.mark.parametrize("remember", [0.0, 0.5, 1.0])
def test_relobralo_is_its_recursion(remember):
    T, alpha, L = 0.7, 0.6, positive(3, 12)
    method = ReLoBRaLo(alpha=alpha, temperature=T, remember=remember, generator=seeded(3))
    draws = seeded(3)
    w = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(method.weights(losses=L[0]), w)
    for t in range(1, len(L)):
        rho = float(float(torch.rand((), generator=draws)) < remember)
        to_first, to_last = (3 * torch.softmax(L[t] / (T * L[s]), dim=0) for s in (0, t - 1))
        w = alpha * (rho * w + (1 - rho) * to_first) + (1 - alpha) * to_last
        torch.testing.assert_close(method.weights(losses=L[t]), w)
        assert float(w.sum()) == pytest.approx(3)


def test_relobralo_does_not_know_the_unit_of_a_loss():
    one, other, units = ReLoBRaLo(alpha=0.5), ReLoBRaLo(alpha=0.5), double(1, 1e-6, 1e3)
    for L in positive(3, 6):
        torch.testing.assert_close(one.weights(losses=L), other.weights(losses=L * units))


def test_relobralo_remembers_as_often_as_it_is_told():
    method = ReLoBRaLo(alpha=0.0, remember=0.75, generator=seeded(0))
    before, after = double(1, 1), double(0.5, 1)
    forgot = 0
    for _ in range(400):
        method.shares, method.first, method.last = double(0.5, 0.5), before, after
        method.alpha = 1.0  # the history alone
        forgot += int(bool(method.weights(losses=after)[0] < 1))
    assert forgot == pytest.approx(100, abs=4 * (400 * 0.25 * 0.75) ** 0.5)


# --- GO4Align


def partitions(tasks, groups):
    for labels in itertools.product(range(groups), repeat=tasks):
        if len(set(labels)) == groups:
            yield np.array(labels)


@several
@given(losses=losses_of, groups=st.integers(1, 4))
def test_go4align_groups_are_the_best_there_are(losses, groups):
    L, groups = losses.numpy(), min(groups, len(losses))
    alone = (L.sum() / L) / len(L)
    w = GO4Align(num_groups=groups, step_size=0.0).weights(losses=losses).numpy()
    sums = [
        sum(((alone[of == g] - alone[of == g].mean()) ** 2).sum() for g in range(groups))
        for of in partitions(len(L), groups)
    ]
    assert ((alone - w) ** 2).sum() <= min(sums) + 1e-9 * (alone**2).sum()
    assert len(set(w.tolist())) <= groups
    assert w.sum() == pytest.approx(alone.sum())


def test_go4align_with_a_group_for_each_task_makes_the_weighted_losses_equal():
    losses = double(0.2, 1, 5, 3)
    w = GO4Align(num_groups=9, step_size=0.0).weights(losses=losses)
    torch.testing.assert_close(w * losses, (losses.sum() / 4).expand(4))
    w = GO4Align(num_groups=1, step_size=0.0).weights(losses=losses)
    torch.testing.assert_close(w, w.mean().expand(4))


def test_go4align_indicators_are_the_losses_so_far():
    L, eta = positive(3, 5), 0.3
    method = GO4Align(num_groups=3, step_size=eta)
    for t in range(len(L)):
        p = torch.softmax(-eta * L[: t + 1].sum(dim=0), dim=0)
        torch.testing.assert_close(method.weights(losses=L[t]), p * L[t].sum() / L[t])


# --- LDC-MTL


@several
@given(losses=losses_of, scales=st.sampled_from(["learned", "ones"]), seed=seeds)
def test_ldc_mtl_weights_are_the_slopes_of_its_objective(losses, scales, seed):
    method = LDCMTL(len(losses), penalty=0.3, scales=scales)
    with torch.no_grad():
        method.logits.copy_(torch.randn(len(losses), generator=seeded(seed)))
    tau = method.logits.detach().double().sigmoid() if scales == "learned" else 1.0
    if len(losses) > 1 and float((tau * losses).diff().abs().min()) < 1e-4:
        return  # a kink
    expected = slopes(lambda L: method.objective(L, None), losses)
    torch.testing.assert_close(method.weights(losses=losses), expected, rtol=1e-6, atol=1e-8)


def test_ldc_mtl_learns_its_weights_by_the_objective_of_the_paper():
    method, losses = LDCMTL(3, penalty=0.2), double(1, 2, 4)
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    backward([value + 0 * x.sum() for value in losses], method)
    W = torch.ones(3, dtype=torch.float64, requires_grad=True)
    s = W.sigmoid()
    pairs = (s[0] * losses[0] - s[1] * losses[1]).abs() + (
        s[1] * losses[1] - s[2] * losses[2]
    ).abs()
    (s @ losses / s.sum().detach() + 0.2 * pairs).backward()
    torch.testing.assert_close(method.logits.grad.double(), W.grad, rtol=1e-6, atol=1e-7)


def test_ldc_mtl_brings_the_losses_together_the_more_the_larger_its_penalty():
    gaps = []
    for penalty in (0.0, 0.1, 0.3):
        method = LDCMTL(2, penalty=penalty, scales="ones")
        optimizer = torch.optim.SGD(method.parameters(), lr=1e-6)
        x = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
        for step in range(600):
            x.grad = None
            optimizer.zero_grad()
            losses = spheres(x) * double(4, 1)
            backward(losses, method)
            optimizer.step()
            with torch.no_grad():
                x -= 0.05 * 0.99**step * x.grad
        gaps.append(float(losses.detach().diff().abs()))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


# --- balance of norms


@several
@given(seed=seeds, K=st.integers(1, 6))
def test_norm_balance_makes_the_weighted_gradients_equally_long(seed, K):
    J = random_jacobian(K, K + 2, generator=seeded(seed), decades=6)
    w = NormBalance(alpha=0.0).weights(gramian=J @ J.T)
    lengths = (w[:, None] * J).norm(dim=1)
    torch.testing.assert_close(lengths, J.norm(dim=1).sum().expand(K))
    assert float((1 / w).sum()) == pytest.approx(1)


def test_norm_balance_is_a_moving_average_from_1():
    method, w = NormBalance(alpha=0.7), torch.ones(3, dtype=torch.float64)
    for seed in range(5):
        J = random_jacobian(3, 4, generator=seeded(seed))
        norms = J.norm(dim=1)
        w = 0.7 * w + 0.3 * norms.sum() / norms
        torch.testing.assert_close(method.weights(gramian=J @ J.T), w)
    held = UpdateEvery(NormBalance(alpha=0.0), steps=2)
    first = held.weights(gramian=J @ J.T)
    assert torch.equal(held.weights(losses=torch.ones(3).double()), first)


def test_a_vanishing_gradient_keeps_its_weight():
    method = NormBalance(alpha=0.5)
    method.weights(gramian=torch.diag(double(1, 4)))
    before = method.scales.clone()
    after = method.weights(gramian=torch.diag(double(1, 0)))
    assert after[1] == before[1]
    assert after[0] == 0.5 * before[0] + 0.5


# --- learning-rate annealing


def gradients(seed):
    """Parameters of two shapes, and three losses that are linear in them."""
    generator = seeded(seed)
    a, b = (
        torch.zeros(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3), (4,))
    )
    J = torch.randn(3, 10, generator=generator, dtype=torch.float64)
    J[2, 6:] = 0
    losses = [J[k, :6] @ a.flatten() + J[k, 6:] @ b for k in range(2)] + [J[2, :6] @ a.flatten()]
    return [a, b], J, [1 + loss for loss in losses]


def test_annealing_is_its_algorithm():
    method, w = LearningRateAnnealing(main=1, alpha=0.8), torch.ones(3, dtype=torch.float64)
    for seed in range(4):
        shared, J, losses = gradients(seed)
        found = backward(losses, method, shared=shared).weights
        w = 0.8 * w + 0.2 * J[1].abs().max() / J.abs().mean(dim=1)
        w[1] = 1.0
        torch.testing.assert_close(found, w)
        torch.testing.assert_close(torch.cat([p.grad.flatten() for p in shared]), J.T @ w)


def test_annealing_does_not_see_a_gradient_scaler_and_passes_over_an_overflow():
    plain, scaled = LearningRateAnnealing(), LearningRateAnnealing()
    _, J, _ = gradients(0)
    rows, losses = [[row[:6], row[6:]] for row in J], torch.ones(3).double()
    bad = [[row[:6] * torch.inf, row[6:]] for row in J]
    found = []
    for method, scale, seen in ((plain, 1.0, [rows, rows]), (scaled, 2.0**10, [rows, bad, rows])):
        for jacobian in seen:
            shown = [[g * scale for g in row] for row in jacobian]
            method.track(shown, losses, scale)
            before = method.scales.clone()
            method.weights(gramian=torch.eye(3), losses=losses)
            if jacobian is bad:
                assert torch.allclose(method.scales, before)
        found.append(method.scales)
    torch.testing.assert_close(*found)


def test_annealing_resumes_and_refuses():
    shared, _, losses = gradients(0)
    method, resumed = LearningRateAnnealing(), LearningRateAnnealing()
    backward(losses, method, shared=shared)
    resumed.load_state_dict(method.state_dict())
    shared, _, losses = gradients(1)
    one = backward(losses, method, shared=shared, retain_graph=True).weights
    assert torch.equal(backward(losses, resumed, shared=shared).weights, one)
    with pytest.raises(RuntimeError, match=r"LearningRateAnnealing needs the gradients"):
        method.weights(gramian=torch.eye(3))
    shared, _, losses = gradients(2)
    with pytest.raises(ValueError, match=r"`main` must be one of 3 tasks, got 5"):
        backward(losses, LearningRateAnnealing(main=5), shared=shared)
    assert all(p.grad is None for p in shared)


# --- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReLoBRaLo(alpha=1.0), r"`alpha` must be in \[0, 1\)"),
        (lambda: ReLoBRaLo(temperature=0.0), r"`temperature` must be positive"),
        (lambda: ReLoBRaLo(remember=1.5), r"`remember` must be in \[0, 1\], got 1.5"),
        (lambda: GO4Align(num_groups=0), r"`num_groups` must be at least 1"),
        (lambda: GO4Align(step_size=-1.0), r"`step_size` must be at least 0"),
        (lambda: LDCMTL(2, penalty=-0.1), r"`penalty` must be at least 0"),
        (lambda: LDCMTL(2, scales="one"), r"`scales` must be one of.*did you mean 'ones'"),
        (lambda: NormBalance(alpha=1.0), r"`alpha` must be in \[0, 1\)"),
        (lambda: LearningRateAnnealing(main=-1), r"`main` must be at least 0"),
        (lambda: LearningRateAnnealing(alpha=1.0), r"`alpha` must be in \[0, 1\)"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [ReLoBRaLo, GO4Align])
def test_losses_must_be_positive_and_of_one_number(make):
    with pytest.raises(ValueError, match=r"needs positive `losses`.*task 1"):
        make().weights(losses=double(1, 0))
    method = make()
    method.weights(losses=double(1, 2))
    with pytest.raises(ValueError, match=r"`losses` must have one entry per task"):
        method.weights(losses=double(1, 2, 3))
