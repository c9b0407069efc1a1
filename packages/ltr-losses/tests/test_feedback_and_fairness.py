"""Propensities, simulated clicks, the self-normalised estimator, exposure, and the module."""

import pytest
import torch

from ltr_losses import (
    RankingLoss,
    amortised_exposure,
    cascade_clicks,
    exposure_gap,
    exposure_loss,
    lambda_loss,
    ordinal_loss,
    position_based_clicks,
    power_law_propensity,
    propensity_from_counts,
    ranknet_loss,
    rbp,
    self_normalised,
    softmax_loss,
)


def test_power_law():
    r = torch.tensor([1, 2, 3])
    torch.testing.assert_close(power_law_propensity(r, eta=2.0), torch.tensor([1.0, 0.25, 1 / 9]))
    assert torch.equal(power_law_propensity(r, eta=0.0), torch.ones(3))
    assert power_law_propensity(torch.tensor([0.0, 1.0])).isnan().tolist() == [True, False]
    with pytest.raises(ValueError, match="`eta`"):
        power_law_propensity(r, eta=-1.0)
    with pytest.raises(TypeError, match="`positions` must be a tensor, got int"):
        power_law_propensity(3)


def test_counts_of_what_was_not_shown_tell_nothing():
    clicks, shown = torch.tensor([4, 3, 0, 2]), torch.tensor([8, 0, 0, 8])
    found = propensity_from_counts(clicks, shown)
    assert found.isnan().tolist() == [False, True, True, False]
    assert found[[0, 3]].tolist() == [1.0, 0.5]
    assert propensity_from_counts(clicks.flip(0), shown.flip(0).clamp(max=0)).isnan().all()


def test_position_based_clicks_have_their_chances_and_counts_tell_the_propensities():
    generator = torch.Generator().manual_seed(0)
    n = 40000
    scores = torch.rand(n, 3, generator=generator)  # a shuffled ranking
    attraction = torch.tensor([0.9, 0.5, 0.2]).expand(n, 3)
    propensity = torch.tensor([1.0, 0.5, 0.25])
    clicks = position_based_clicks(scores, attraction, propensity, generator=generator)
    assert set(clicks.unique().tolist()) == {0.0, 1.0}
    order = scores.argsort(-1, descending=True)
    by_position = clicks.gather(-1, order).sum(0)
    estimate = propensity_from_counts(by_position, torch.full((3,), float(n)))
    torch.testing.assert_close(estimate, propensity, rtol=0.05, atol=0.0)
    torch.testing.assert_close(
        clicks.mean(0), attraction[0] * propensity.mean(), rtol=0.03, atol=0.0
    )


def test_clicks_come_from_the_generator_and_never_from_padding():
    scores, mask = torch.zeros(4, 3), torch.tensor([True, True, False])
    draws = [
        (
            position_based_clicks(
                scores, torch.full((4, 3), 0.5), torch.ones(1), generator=g, mask=mask
            ),
            cascade_clicks(scores, torch.full((4, 3), 0.5), generator=g, mask=mask),
        )
        for g in (torch.Generator().manual_seed(0), torch.Generator().manual_seed(0))
    ]
    for a, b in zip(*draws, strict=True):
        assert torch.equal(a, b)
        assert (a[:, 2] == 0.0).all()
    with pytest.raises(TypeError, match="`generator`"):
        cascade_clicks(scores, scores, generator=0)
    with pytest.raises(ValueError, match="`satisfaction` must be in 0"):
        cascade_clicks(scores, scores, satisfaction=2.0, generator=torch.Generator())
    with pytest.raises(TypeError, match="`mask` must be bool"):
        cascade_clicks(scores, scores, generator=torch.Generator(), mask=mask.float())


def test_cascade_stops_at_the_first_click():
    generator = torch.Generator().manual_seed(0)
    n = 40000
    scores = torch.tensor([3.0, 2.0, 1.0]).expand(n, 3)
    a = torch.tensor([0.4, 0.5, 0.8])
    clicks = cascade_clicks(scores, a.expand(n, 3), generator=generator)
    assert (clicks.sum(-1) <= 1.0).all()
    expected = torch.tensor([0.4, 0.6 * 0.5, 0.6 * 0.5 * 0.8])
    torch.testing.assert_close(clicks.mean(0), expected, rtol=0.05, atol=0.0)
    never = cascade_clicks(scores, a.expand(n, 3), satisfaction=0.0, generator=generator)
    torch.testing.assert_close(never.mean(0), a, rtol=0.05, atol=0.0)


def test_inverse_propensities_undo_the_bias_of_a_logged_ranking():
    generator = torch.Generator().manual_seed(0)
    n = 60000
    relevance = torch.tensor([0.2, 0.6, 0.4])
    logged = torch.tensor([3.0, 2.0, 1.0])
    p = power_law_propensity(torch.arange(1, 4))
    clicks = position_based_clicks(
        logged.expand(n, 3), relevance.expand(n, 3), p, generator=generator
    )
    new = torch.tensor([0.0, 1.0, 2.0])  # the opposite ranking, never shown
    truth = 0.2 * (0.8 ** torch.tensor([2.0, 1.0, 0.0]) * relevance).sum()
    estimate = rbp(new.expand(n, 3), clicks, weights=1.0 / p, empty=0.0)
    torch.testing.assert_close(estimate, truth, rtol=0.03, atol=0.0)
    # The loss of the clicks, weighted, has the gradient of the relevance.
    s = torch.tensor([0.5, -0.5, 0.1], requires_grad=True)
    loss = softmax_loss(s.expand(n, 3), clicks, weights=1.0 / p, reduction="sum") / n
    (gradient,) = torch.autograd.grad(loss, s)
    expected = s.detach().softmax(-1) * relevance.sum() - relevance
    torch.testing.assert_close(gradient, expected, rtol=0.1, atol=0.01)


def test_self_normalised_weights_average_to_one_over_the_clicks():
    generator = torch.Generator().manual_seed(0)
    weights = 1.0 + 9.0 * torch.rand(5, 4, generator=generator)
    clicks = torch.randint(0, 2, (3, 5, 4), generator=generator).float()
    mask = torch.arange(4) < 3
    out = self_normalised(weights, clicks, mask=mask)
    assert out.shape == (3, 5, 4)
    for task in range(3):
        chosen = (clicks[task] > 0) & mask
        assert float(out[task][chosen].mean()) == pytest.approx(1.0)
    torch.testing.assert_close(self_normalised(7.0 * weights, clicks, mask=mask), out)
    assert torch.equal(self_normalised(weights, torch.zeros(5, 4)), weights)
    with pytest.raises(ValueError, match="`clicks` must have a batch axis"):
        self_normalised(torch.ones(3), torch.ones(3))
    with pytest.raises(TypeError, match="`mask` must be bool"):
        self_normalised(weights, clicks, mask=mask.float())


def test_exposure_loss_formula_and_second_derivative():
    s = torch.tensor([1.0, 0.3, -0.5, 0.2], dtype=torch.float64, requires_grad=True)
    g = torch.tensor([0.0, 1.0, 1.0, 0.0])
    q = s.softmax(0)
    gap = (q[0] + q[3]) / 2.0 - (q[1] + q[2]) / 2.0
    torch.testing.assert_close(exposure_loss(s, g), gap.square())
    torch.testing.assert_close(exposure_loss(s, g, squared=False), gap)
    # The favoured side pays nothing.
    assert exposure_loss(s, 1.0 - g) == 0.0
    assert exposure_loss(s, torch.ones(4)) == 0.0
    assert torch.autograd.gradgradcheck(lambda x: exposure_loss(x, g), s)
    mask = torch.tensor([True, True, True, False])
    torch.testing.assert_close(exposure_loss(s, g, mask=mask), exposure_loss(s[:3], g[:3]))
    # A step against the gradient narrows the gap.
    (slope,) = torch.autograd.grad(exposure_loss(s, g), s)
    assert exposure_loss(s - 0.1 * slope, g) < exposure_loss(s, g)


def test_exposure_gap():
    d = 1.0 / torch.log2(torch.tensor([2.0, 3.0, 4.0]))
    scores, group = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.0, 1.0, 1.0])
    torch.testing.assert_close(exposure_gap(scores, group), d[0] - (d[1] + d[2]) / 2.0)
    torch.testing.assert_close(exposure_gap(scores, group, k=2), d[0] - d[1] / 2.0)
    torch.testing.assert_close(
        exposure_gap(torch.zeros(3), group, ties="average"), torch.tensor(0.0)
    )
    assert exposure_gap(scores, torch.ones(3)).isnan()
    mask = torch.tensor([[True, True, False], [True, True, True]])
    each = exposure_gap(scores.expand(2, 3), group, mask=mask, reduction="none")
    torch.testing.assert_close(each[0], d[0] - d[1])


def test_amortised_exposure():
    once, twice = torch.tensor([[1.0, 0.5], [1.0, 0.5]]), torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    merit = torch.ones(2, 2)
    assert float(amortised_exposure(once, merit)) == pytest.approx(2 * (2 / 3 - 1 / 2))
    assert float(amortised_exposure(twice, merit)) == 0.0
    # In proportion to the merit.
    assert float(amortised_exposure(once, once)) == 0.0
    assert amortised_exposure(once, torch.zeros(2, 2)).isnan()
    with pytest.raises(ValueError, match=r"`exposure` must be \(..., ranking, list\)"):
        amortised_exposure(torch.ones(2), torch.ones(2))


def test_module_is_the_function_with_its_options():
    s = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    y = torch.arange(4.0).expand(2, 4)
    module = RankingLoss(lambda_loss, scheme="ndcg2", k=2, reduction="sum")
    expected = lambda_loss(s, y, scheme="ndcg2", k=2, reduction="sum")
    torch.testing.assert_close(module(s, y), expected)
    assert repr(module) == "RankingLoss(lambda_loss, scheme='ndcg2', k=2, reduction='sum')"
    theta = torch.nn.Parameter(torch.tensor([0.0, 1.0]))
    ordinal = RankingLoss(ordinal_loss, thresholds=theta)
    ordinal(s, y).backward()
    assert theta.grad is not None
    assert list(ordinal.state_dict()) == ["thresholds"]
    with pytest.raises(ValueError, match=r"`options` .*did you mean 'power'"):
        RankingLoss(ranknet_loss, powr=1.0)
    with pytest.raises(TypeError, match="`function` must be a loss, got str"):
        RankingLoss("ranknet")
