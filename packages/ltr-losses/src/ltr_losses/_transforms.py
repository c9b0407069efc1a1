"""From a metric to a loss."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._check import Reduction, check_function, check_positive, prepare
from ._cutoffs import Cutoff, bound_cutoff, soft_cutoff
from ._reduce import reduce_lists
from ._soft_ranks import approx_ranks, bound_ranks

_Smooth = Callable[[Tensor, Tensor], tuple[Tensor, Cutoff]]
"""From scores and mask to ranks and a cut-off."""


def _takes_cutoff(metric: Callable[..., Tensor]) -> bool:
    parameters = inspect.signature(metric).parameters
    return any(p.name == "cutoff" or p.kind is p.VAR_KEYWORD for p in parameters.values())


def _loss_of(
    metric: Callable[..., Tensor], smooth: _Smooth, lower_is_better: bool
) -> Callable[..., Tensor]:
    check_function("metric", metric, "metric")
    takes_cutoff = _takes_cutoff(metric)

    def loss(
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        lists = prepare(scores, labels, mask, weights, reduction)
        ranks, cutoff = smooth(lists.scores, lists.mask)
        options: dict[str, Any] = {"cutoff": cutoff} if takes_cutoff else {}
        values = metric(
            lists.scores,
            lists.labels,
            mask=lists.mask,
            weights=lists.weights,
            ranks=ranks,
            reduction="none",
            **options,
        )
        if values.dim() > len(lists.leading):
            raise ValueError(
                f"`metric` must give one value per list, shape {lists.leading}, got "
                f"{tuple(values.shape)}: fix one `k`"
            )
        # Under "none" a metric is NaN where it has no value.
        teaches = ~values.isnan()
        values = torch.where(teaches, values, 0.0)
        return reduce_lists(values if lower_is_better else 1.0 - values, teaches, lists, reduction)

    return loss


def approx(
    metric: Callable[..., Tensor], *, temperature: float = 1.0, lower_is_better: bool = False
) -> Callable[..., Tensor]:
    r"""Make the loss 1 − metric, at smooth ranks and smooth cut-offs.

        r̂_i = 1 + Σ_{j ≠ i} σ((s_j − s_i) / T)
        c_i = σ((s_i − θ) / T),   θ such that Σ_i c_i = k,
        ∂c_i/∂s_j = σ'_i (δ_ij − σ'_j / Σ_l σ'_l) / T

    with c what takes the place of [r_i ≤ k]. A list of k documents or fewer is within k whole.

    Args:
        metric: `metric(scores, labels, *, mask, weights, ranks, cutoff, reduction)`, one of this
            package or your own, of which `functools.partial` has fixed `k` and the like. Its ranks
            are real numbers here, and `cutoff(k)` is c, (..., list). A metric of your own that does
            not take `cutoff` is called without it.
        temperature: T; the smaller, the closer to the metric and the steeper.
        lower_is_better: Whether the loss is the metric itself.

    Returns:
        A loss `loss(scores, labels, *, mask=None, weights=None, reduction="mean")`; the weights are
        the metric's. Lists where the metric is NaN teach nothing.

    Raises:
        TypeError: A `metric` that cannot be called.
        ValueError: A bad `temperature`.

    Examples:
        >>> import torch
        >>> from functools import partial
        >>> from ltr_losses import average_precision
        >>> loss = approx(average_precision, temperature=0.1)
        >>> loss(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
        tensor(0.5000)

    References:
        T. Qin, T.-Y. Liu, H. Li, "A general approximation framework for direct optimization of
        information retrieval measures", Information Retrieval 13, 2010; the cut-off: B. Amos, V.
        Koltun, J. Z. Kolter, "The limited multi-label projection layer", 2019, arXiv 1906.08707.
    """
    check_positive("temperature", temperature)

    def smooth(scores: Tensor, mask: Tensor) -> tuple[Tensor, Cutoff]:
        return approx_ranks(scores, mask, temperature), soft_cutoff(scores, mask, temperature)

    return _loss_of(metric, smooth, lower_is_better)


def bound(metric: Callable[..., Tensor], *, lower_is_better: bool = False) -> Callable[..., Tensor]:
    r"""Make the loss 1 − metric, at upper bounds on the ranks.

        r̂_i = 1 + Σ_{j ≠ i} max(0, 1 − (s_i − s_j))
        c_i = min(1, s_i − θ),   θ the middle between the scores of the k-th and the next document

    with c what takes the place of [r_i ≤ k]. Below 0 it multiplies what the k-th place is worth, so
    that a relevant document below k costs by its distance from θ:
    ∂c_i/∂s_j = [s_i − θ < 1] (δ_ij − ½ [j is the k-th] − ½ [j is the next]). For a metric that
    falls when relevant documents move down, the loss is no less than 1 − metric.

    Args:
        metric: `metric(scores, labels, *, mask, weights, ranks, cutoff, reduction)`, as for
            `approx`.
        lower_is_better: Whether the loss is the metric itself.

    Returns:
        A loss `loss(scores, labels, *, mask=None, weights=None, reduction="mean")`; the weights are
        the metric's. Lists where the metric is NaN teach nothing.

    Raises:
        TypeError: A `metric` that cannot be called.

    Examples:
        >>> import torch
        >>> from ltr_losses import mrr
        >>> loss = bound(mrr)
        >>> loss(torch.tensor([[1.5, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
        tensor(0.6000)

    References:
        The transform of that name in R. Jagerman et al., "Rax: composable learning-to-rank using
        JAX", KDD 2022; T. Joachims, A. Swaminathan, T. Schnabel, "Unbiased learning-to-rank with
        biased feedback", WSDM 2017 (the hinge bound on the rank).
    """

    def smooth(scores: Tensor, mask: Tensor) -> tuple[Tensor, Cutoff]:
        return bound_ranks(scores, mask), bound_cutoff(scores, mask)

    return _loss_of(metric, smooth, lower_is_better)
