"""MGDA, PCGrad, UPGrad and Nash-MTL: what their papers prove."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import MGDA, NashMTL, PCGrad, UPGrad
from mtl_optim.testing import assert_same_direction, double, problems, random_jacobian, seeded

# --- MGDA


@pytest.mark.parametrize("normalization", [None, "norm", "loss", "loss+"])
def test_mgda_conflicts_with_no_task(normalization):
    for losses, J in problems(20):
        w = MGDA(normalization).weights(losses=losses, gramian=J @ J.T)
        if normalization is None:
            assert float(w.sum()) == pytest.approx(1)
        units = torch.nn.functional.normalize(J, dim=1)
        inner = units @ (J.T @ w)
        assert float(inner.min()) >= -1e-9 * float((w[:, None] * J).norm(dim=1).max())


def test_mgda_ignores_a_duplicated_task():
    for losses, J in problems(21):
        twice = torch.cat([J, J[:1]])
        found = MGDA().weights(losses=torch.cat([losses, losses[:1]]), gramian=twice @ twice.T)
        merged = found[:-1].clone()
        merged[0] += found[-1]
        G = J @ J.T
        assert_same_direction(G, MGDA().weights(gramian=G), merged)


def test_mgda_with_norms_ignores_the_norms():
    J = random_jacobian(5, 7, generator=seeded(0))
    scale = double(1e-6, 1e-3, 1, 1e3, 1e6)
    one = MGDA("norm").weights(gramian=J @ J.T)
    other = MGDA("norm").weights(gramian=(J @ J.T) * scale * scale[:, None]) * scale
    torch.testing.assert_close(one / one.sum(), other / other.sum(), rtol=1e-6, atol=1e-12)
    units = J / J.norm(dim=1, keepdim=True)
    alpha = MGDA().weights(gramian=units @ units.T)
    harmonic = 5 / (1 / J.norm(dim=1)).sum()
    torch.testing.assert_close(J.T @ one, harmonic * units.T @ alpha)


def test_mgda_normalized_by_losses_is_mgda_on_log_losses():
    J, losses = random_jacobian(4, 6, generator=seeded(1)), double(0.1, 1, 2, 4)
    logs = J / losses[:, None]
    w = MGDA().weights(gramian=logs @ logs.T) / losses
    found = MGDA("loss").weights(losses=losses, gramian=J @ J.T)
    torch.testing.assert_close(found, w * 4 / (1 / losses).sum())


def test_mgda_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match=r"did you mean 'norm'"):
        MGDA("norms")
    with pytest.raises(TypeError, match=r"`losses`"):
        MGDA("loss").weights(gramian=torch.eye(2))
    with pytest.raises(ValueError, match=r"got -1.0 for task 1"):
        MGDA("loss").weights(gramian=torch.eye(2), losses=double(1, -1))


# --- PCGrad


def pcgrad_on_gradients(J, orders):
    """Algorithm 1 of the paper on the gradients themselves."""
    projected = J.clone()
    for i, order in enumerate(orders):
        for j in order:
            inner = projected[i] @ J[j]
            if inner < 0:
                projected[i] -= inner / (J[j] @ J[j]) * J[j]
    return projected.sum(dim=0)


@settings(max_examples=30, derandomize=True)
@given(seed=st.integers(0, 999), tasks=st.integers(1, 8) | st.sampled_from([49, 60]))
def test_pcgrad_is_algorithm_1(seed, tasks):
    J = random_jacobian(tasks, 5, generator=seeded(seed), decades=2, conflict=1)
    w = PCGrad(generator=seeded(seed)).weights(gramian=J @ J.T)
    keys = torch.rand(tasks, tasks, generator=seeded(seed), dtype=torch.float64)
    orders = [[j for j in keys[i].argsort().tolist() if j != i] for i in range(tasks)]
    torch.testing.assert_close(J.T @ w, pcgrad_on_gradients(J, orders))


def test_pcgrad_without_conflict_is_the_sum():
    J = random_jacobian(6, 9, generator=seeded(0)).abs()
    assert PCGrad().weights(gramian=J @ J.T).tolist() == [1] * 6


def test_pcgrad_of_two_tasks_conflicts_with_neither():
    for seed in range(50):
        J = random_jacobian(2, 3, generator=seeded(seed), decades=12, conflict=1.5)
        d = J.T @ PCGrad().weights(gramian=J @ J.T)
        cosines = torch.nn.functional.normalize(J, dim=1) @ d / d.norm()
        assert float(cosines.min()) >= -1e-6


def test_pcgrad_draws_every_order_evenly():
    # Three tasks at 120° in the plane: each of two orders per task gives other weights.
    angle = torch.arange(3, dtype=torch.float64) * 2.2
    J = torch.stack([angle.cos(), angle.sin()], dim=1)
    method = PCGrad(generator=seeded(0))
    drawn = [tuple(method.weights(gramian=J @ J.T).round(decimals=9).tolist()) for _ in range(800)]
    counts = [drawn.count(w) for w in set(drawn)]
    assert len(counts) == 8
    assert min(counts) > 60


def test_pcgrad_with_one_generator_repeats():
    J = random_jacobian(5, 3, generator=seeded(0), conflict=1)
    one, other = PCGrad(generator=seeded(7)), PCGrad(generator=seeded(7))
    for _ in range(5):
        assert torch.equal(one.weights(gramian=J @ J.T), other.weights(gramian=J @ J.T))
    with pytest.raises(TypeError, match=r"`generator`"):
        PCGrad(generator=7)


# --- UPGrad


def test_upgrad_conflicts_with_no_task():
    for losses, J in problems(22):
        w = UPGrad().weights(losses=losses, gramian=J @ J.T)
        inner = torch.nn.functional.normalize(J, dim=1) @ (J.T @ w)
        assert float(inner.min()) >= -1e-13 * float((w[:, None] * J).norm(dim=1).max())


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1.0])
def test_upgrad_keeps_its_guarantee_for_small_gradients(ratio):
    J = torch.stack([double(1, 0, 0), ratio * double(-0.7, 0.5, 0.1), ratio * double(-0.5, -1, 2)])
    d = J.T @ UPGrad().weights(gramian=J @ J.T)
    cosines = torch.nn.functional.normalize(J, dim=1) @ d / d.norm()
    assert float(cosines.min()) >= -1e-9


def test_upgrad_without_conflict_is_the_mean():
    J = random_jacobian(6, 9, generator=seeded(0)).abs()
    torch.testing.assert_close(UPGrad().weights(gramian=J @ J.T), torch.full((6,), 1 / 6).double())


def test_upgrad_grows_in_proportion_to_each_task():
    J = random_jacobian(4, 6, generator=seeded(2), conflict=1)

    def part(c):
        scale = torch.tensor([c, 1, 1, 1], dtype=torch.float64)
        rows = J * scale[:, None]
        return J.T @ (UPGrad().weights(gramian=rows @ rows.T) * scale)

    torch.testing.assert_close(part(3.0) - part(1.0), 2 * (part(2.0) - part(1.0)))


# --- Nash-MTL


def test_nash_direction_ignores_the_units_of_the_losses():
    J = random_jacobian(5, 7, generator=seeded(0))
    scale = double(1e-6, 1e-3, 1, 1e3, 1e6)
    w = NashMTL().weights(gramian=J @ J.T)
    scaled = NashMTL().weights(gramian=(J @ J.T) * scale * scale[:, None])
    torch.testing.assert_close(scaled * scale, w)


def test_nash_step_has_length_sqrt_k():
    for K in range(1, 13):
        J = random_jacobian(K, K + 2, generator=seeded(K), decades=6)
        d = J.T @ NashMTL().weights(gramian=J @ J.T)
        assert float(d @ d) == pytest.approx(K)


def test_nash_holds_its_weights_between_bargains():
    one, other = torch.eye(2), 4 * torch.eye(2)
    method = NashMTL(update_every=3)
    found = [method.weights(gramian=G).tolist() for G in (one, other, other, other, one)]
    assert found == [[1, 1]] * 3 + [[0.5, 0.5]] * 2
    assert not method.due
    assert method.weights().tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match=r"`update_every`"):
        NashMTL(update_every=0)
