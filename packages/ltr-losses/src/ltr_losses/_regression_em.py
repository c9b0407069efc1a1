"""Propensities by expectation maximisation."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ._check import check_function, check_positive
from ._click_log import Impressions, by_document, check_log, find_interventions, reached, spread


class RegressionEM(NamedTuple):
    """The position-based model that `regression_em` fitted."""

    propensity: Tensor
    """(position,), relative to the first."""
    relevance: Tensor
    """(impression,), the chance of a click at the first position."""
    log_likelihood: Tensor
    """(iteration,), of the whole log after each iteration."""


def regression_em(
    item: Tensor | None,
    position: Tensor,
    click: Tensor,
    *,
    count: Tensor | None = None,
    relevance: Callable[[Tensor], Tensor] | None = None,
    iterations: int = 1000,
    tolerance: float = 1e-9,
) -> RegressionEM:
    r"""Fit examination and relevance of the position-based model, by expectation maximisation.

        P(click on i at k) = θ_k γ_i

        E:  P(looked at | no click) = θ (1 − γ) / (1 − θ γ),
            P(relevant | no click) = γ (1 − θ) / (1 − θ γ),   both 1 at a click
        M:  θ_k the mean of the first over the impressions at k,   γ a regression on the second

    Without `relevance` γ is a table, the mean over the impressions of each item. Then the
    log-likelihood never falls; it is concave in log θ and log γ, so that EM climbs to its maximum
    from where it starts, slowly where clicks are rare. A table needs documents that were shown at
    several positions, as `intervention_harvesting` does, and many times each, since it has a
    parameter for each: with two impressions (relevance 0 to 0.6, θ_k = 1/k, five positions) it
    found θ_2 = 1, with ten one 6 per cent too low, in logs of 40,000. A regression on features
    needs neither, as far as its relevance is right.

    Args:
        item: (impression,), integers that say which query and document; any numbers. May be None
            with `relevance`.
        position: (impression,), integers from 1.
        click: (impression,), 0 or 1, or between where a row is many impressions: their click rate.
        count: (impression,), above 0, how many impressions a row is. None: one.
        relevance: `fit(targets)`, both (impression,), float64: refits a model of the relevance to
            the chances that each impression was relevant and returns its probabilities. A row of
            many impressions should weigh as many in it. None: the table.
        iterations: At most so many.
        tolerance: Ends when an iteration adds less than this, times its size, to the
            log-likelihood.

    Returns:
        `propensity`, (position,), θ / θ_1, up to the last position met, in the dtype of the clicks.
        `relevance`, (impression,), γ θ_1: the likelihood does not know the scale of each.
        `log_likelihood`, (iteration,), float64. NaN at positions never shown, and with a
        table where no chain of documents leads to one from the first, each clicked at one position
        and shown at the next. All NaN where the first position was never shown or never clicked.

    Raises:
        TypeError: Something that is no tensor, items or positions of another type than integer, or
            a `relevance` that cannot be called.
        ValueError: Lengths that differ, an empty log, a position below 1, a click outside 0..1, a
            count that is not finite and positive, neither `item` nor `relevance`, probabilities of
            `relevance` outside 0..1 or of another shape, or bad `iterations` or `tolerance`.

    Examples:
        >>> import torch
        >>> item = torch.tensor([7, 7, 8, 8])  # both documents were shown first and second
        >>> position = torch.tensor([1, 2, 1, 2])
        >>> rate, shown = torch.tensor([0.6, 0.3, 0.2, 0.1]), torch.tensor([50, 10, 20, 90])
        >>> fitted = regression_em(item, position, rate, count=shown, tolerance=1e-12)
        >>> fitted.propensity, fitted.relevance
        (tensor([1.0000, 0.5000]), tensor([0.6000, 0.6000, 0.2000, 0.2000]))

        With a model of features, here the mean over all that have the same one:

        >>> feature = torch.tensor([0, 1, 1, 0])
        >>> def fit(targets):
        ...     means = torch.stack([targets[feature == f].mean() for f in (0, 1)])
        ...     return means[feature]
        >>> regression_em(None, position, rate, relevance=fit).propensity.shape
        torch.Size([2])

    References:
        X. Wang, N. Golbandi, M. Bendersky, D. Metzler, M. Najork, "Position bias estimation for
        unbiased learning to rank in personal search", WSDM 2018 (there the regression is on labels
        drawn with these chances).
    """
    if relevance is not None:
        check_function("relevance", relevance, "function that fits targets")
    elif item is None:
        raise ValueError("`item` must be a tensor where `relevance` is None, got None")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
        raise ValueError(f"`iterations` must be a positive int, got {iterations!r}")
    check_positive("tolerance", tolerance, zero=True)
    impressions = check_log(item, position, click, count)
    log = by_document(impressions) if relevance is None else impressions
    fit = _means_by(log.item, log.shown) if relevance is None else _checked(relevance)
    theta, gamma, history = _maximise(log, fit, iterations, tolerance)
    propensity = torch.empty_like(log.positions, dtype=theta.dtype).scatter_(0, log.place, theta)
    if relevance is None:
        gamma = torch.empty_like(gamma).scatter_(0, log.item, gamma)[impressions.item]
        identified = reached(find_interventions(log).clicks)[0]
        propensity = torch.where(identified, propensity, float("nan"))
    first = propensity[0] if log.positions[0] == 1 else propensity.new_tensor(float("nan"))
    first = torch.where(first > 0, first, float("nan"))
    dtype = click.dtype if click.is_floating_point() else torch.float32
    return RegressionEM(
        spread(propensity / first, log, click), (gamma * first).to(dtype), torch.stack(history)
    )


def _maximise(
    log: Impressions, fit: Callable[[Tensor], Tensor], iterations: int, tolerance: float
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return θ and γ of each row, and the log-likelihoods."""
    clicked, missed = log.clicks / log.shown, 1.0 - log.clicks / log.shown
    examine = _means_by(log.place, log.shown)
    theta, gamma = torch.full_like(clicked, 0.5), torch.full_like(clicked, 0.5)
    history: list[Tensor] = []
    for _ in range(iterations):
        unclicked = (1.0 - theta * gamma).clamp(min=torch.finfo(theta.dtype).tiny)
        looked = clicked + missed * theta * (1.0 - gamma) / unclicked
        relevant = clicked + missed * gamma * (1.0 - theta) / unclicked
        theta, gamma = examine(looked), fit(relevant)
        chance = theta * gamma
        terms = torch.xlogy(clicked, chance) + torch.xlogy(missed, 1.0 - chance)
        history.append((log.shown * terms).sum())
        if len(history) > 1 and history[-1] - history[-2] <= tolerance * history[-1].abs():
            break
    return theta, gamma, history


def _means_by(group: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function that gives each row the mean of its group."""
    total = weights.new_zeros(int(group.max()) + 1).index_add_(0, group, weights)

    def means(values: Tensor) -> Tensor:
        sums = torch.zeros_like(total).index_add_(0, group, values * weights)
        return (sums / total)[group]

    return means


def _checked(relevance: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Let a model's probabilities be float64, and of each row."""

    def fit(targets: Tensor) -> Tensor:
        gamma = relevance(targets)
        if not isinstance(gamma, Tensor):
            raise TypeError(f"`relevance` must give a tensor, got {type(gamma).__name__}")
        gamma = gamma.detach().to(targets.dtype)
        if gamma.shape != targets.shape or not bool(((gamma >= 0) & (gamma <= 1)).all()):
            raise ValueError(
                f"`relevance` must give {tuple(targets.shape)} probabilities in 0..1, got "
                f"{tuple(gamma.shape)}, from {gamma.min().item()} to {gamma.max().item()}"
            )
        return gamma

    return fit
