"""Propensities from the logs of several rankers."""

import torch
from torch import Tensor

from ._check import check_choice
from ._click_log import Interventions, by_document, check_log, find_interventions, reached, spread

ESTIMATORS = ("all_pairs", "pivot", "adjacent_chain")

STEPS = 50
"""Of Newton's method, at most, for each of `FEWEST_MISSES`; some six are usual."""

FEWEST_MISSES = (0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
"""Documents that are always clicked count as missed this often, less and less: at once, the edge of
what the likelihood allows would stop Newton's method before the maximum."""

PRECISION = 1e-9
"""Of log p: no smaller step is taken."""

ROUNDING = 1e-12
"""Of the log-likelihood: it may fall by as much, relative to its size."""


def intervention_harvesting(
    item: Tensor,
    position: Tensor,
    click: Tensor,
    *,
    count: Tensor | None = None,
    estimator: str = "all_pairs",
) -> Tensor:
    r"""Estimate relative examination from the logs of several rankers, none of them randomised.

        max over p, r of  Σ_{k≠k'} c_kk' log(p_k r_kk') + (N_kk' − c_kk') log(1 − p_k r_kk')

    A document that one ranker put at position k and another at k', for the same query, is an
    intervention: its relevance is the same, and its clicks differ by examination alone. N_kk' is
    the number of such documents and c_kk' the sum of their click rates at k, so that each weighs
    the same however often it was shown. r_kk' = r_k'k is their mean relevance, any number that
    leaves the products below 1. In log p and log r this is concave, and Newton's method finds the
    one maximum. Clicks are to follow the position-based model, and which ranker a query gets
    must not depend on its user's interest.

    Memory is that of the log plus (position, position); time that of the pairs of positions at
    which a document was shown.

    Args:
        item: (impression,), integers that say which query and document; any numbers.
        position: (impression,), integers from 1.
        click: (impression,), 0 or 1, or between where a row is many impressions: their click rate.
        count: (impression,), above 0, how many impressions a row is. None: one.
        estimator: "all_pairs" as above; "pivot", p_k = c_k1 / c_1k, from documents shown at the
            first position too; "adjacent_chain", the product of such ratios of neighbours.

    Returns:
        (position,), up to the last one met, relative to the first, in the dtype of the clicks. NaN
        where nothing identifies a position: for "all_pairs" where no chain of documents leads to it
        from the first, each clicked at one position and shown at the next (and 0 where no such
        chain leads back), for the others where that pair, or a link of that chain, has no click at
        the better position. All NaN where the first position shares no clicked document.

    Raises:
        TypeError: Something that is no tensor, or items or positions of another type than integer.
        ValueError: Lengths that differ, an empty log, a position below 1, a click outside 0..1, a
            count that is not finite and positive, or an unknown `estimator`.

    Examples:
        >>> import torch
        >>> item = torch.tensor([7, 7, 8, 8])  # both documents were shown first and second
        >>> position = torch.tensor([1, 2, 1, 2])
        >>> rate, shown = torch.tensor([0.6, 0.3, 0.2, 0.1]), torch.tensor([50, 10, 20, 90])
        >>> intervention_harvesting(item, position, rate, count=shown)
        tensor([1.0000, 0.5000])

    References:
        A. Agarwal, I. Zaitsev, X. Wang, C. Li, M. Najork, T. Joachims, "Estimating position bias
        without intrusive interventions", WSDM 2019 (there p and r are below 1 each).
    """
    check_choice("estimator", estimator, ESTIMATORS)
    log = by_document(check_log(item, position, click, count))
    found = find_interventions(log)
    if log.positions[0] != 1 or not bool((found.clicks[0] > 0).any()):
        return spread(torch.full_like(found.clicks[0], float("nan")), log, click)
    if estimator == "all_pairs":
        return spread(_all_pairs(found), log, click)
    ratio = torch.where(found.clicks.T > 0, found.clicks / found.clicks.T, float("nan"))
    if estimator == "pivot":
        return spread(ratio[:, 0].index_fill(0, log.positions[:1] - 1, 1.0), log, click)
    neighbours = log.positions.diff() == 1
    links = torch.where(neighbours, ratio.diagonal(-1), float("nan"))
    return spread(torch.cat([links.new_ones(1), links.cumprod(0)]), log, click)


def _all_pairs(found: Interventions) -> Tensor:
    """Fit the positions whose ratio to the first is finite; it is 0 or unknown for the others."""
    paths = reached(found.clicks)
    inside = paths[0] & paths[:, 0]
    p = torch.where(paths[0], 0.0, float("nan")).to(found.clicks.dtype)
    p[inside] = _maximise(*(table[inside][:, inside] for table in found)).exp()
    return p


def _maximise(clicks: Tensor, documents: Tensor) -> Tensor:
    """Return log p at the maximum, 0 at the first position."""
    log_p = torch.zeros_like(clicks[0])
    for fewest in FEWEST_MISSES:
        log_p = _newton(log_p, clicks, (documents - clicks).clamp(min=fewest * documents))
    return log_p


def _newton(log_p: Tensor, clicks: Tensor, misses: Tensor) -> Tensor:
    """Climb to the maximum from `log_p`, by Newton's method."""
    value, chance = _likelihood(log_p, clicks, misses)
    for _ in range(STEPS):
        slope = (clicks - misses * chance / (1.0 - chance)).sum(-1)
        bend = misses * chance / (1.0 - chance).square()
        # With r at its best for p, the second derivative is the Laplacian of a weighted graph.
        weight = bend * bend.T / (bend + bend.T).clamp(min=torch.finfo(bend.dtype).tiny)
        laplacian = weight.sum(-1).diag() - weight
        step = torch.zeros_like(log_p)
        step[1:] = torch.linalg.solve(laplacian[1:, 1:], slope[1:])
        while bool(step.abs().max() > PRECISION):
            next_value, next_chance = _likelihood(log_p + step, clicks, misses)
            if next_value >= value - ROUNDING * value.abs():
                break
            step = step / 2.0
        else:
            break
        log_p, value, chance = log_p + step, next_value, next_chance
    return log_p


def _likelihood(log_p: Tensor, clicks: Tensor, misses: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-likelihood at the best r for this p, and the chances of a click p r."""
    p = log_p.exp().unsqueeze(-1)
    both = clicks + clicks.T
    # r is the smaller root of the quadratic equation a r² − b r + both = 0.
    a = p * p.T * (both + misses + misses.T)
    b = (both + misses) * p + (both + misses.T) * p.T
    root = (b.square() - 4.0 * a * both).clamp(min=0.0).sqrt()
    chance = p * 2.0 * both / (b + root).clamp(min=torch.finfo(b.dtype).tiny)
    value = torch.xlogy(clicks, chance) + torch.xlogy(misses, 1.0 - chance)
    return value.sum(), chance
