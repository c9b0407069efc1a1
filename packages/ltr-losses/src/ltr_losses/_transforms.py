"""From a metric to a loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from ._check import Reduction, check_function, check_positive, prepare
from ._reduce import reduce_lists
from ._soft_ranks import approx_ranks, bound_ranks


def _loss_of(
    metric: Callable[..., Tensor], ranks: Callable[[Tensor, Tensor], Tensor], lower_is_better: bool
) -> Callable[..., Tensor]:
    check_function("metric", metric, "metric")

    def loss(
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        lists = prepare(scores, labels, mask, weights, reduction)
        values = metric(
            lists.scores,
            lists.labels,
            mask=lists.mask,
            weights=lists.weights,
            ranks=ranks(lists.scores, lists.mask),
            reduction="none",
        )
        # Under "none" a metric is NaN where it has no value.
        teaches = ~values.isnan()
        values = torch.where(teaches, values, 0.0)
        return reduce_lists(values if lower_is_better else 1.0 - values, teaches, lists, reduction)

    return loss


def approx(
    metric: Callable[..., Tensor], *, temperature: float = 1.0, lower_is_better: bool = False
) -> Callable[..., Tensor]:
    r"""Make the loss 1 − metric, at smooth ranks.

        r̂_i = 1 + Σ_{j ≠ i} σ((s_j − s_i) / T)

    Args:
        metric: `metric(scores, labels, *, mask, weights, ranks, reduction)`, one of this package or
            your own, of which `functools.partial` has fixed `k` and the like. Its ranks are real
            numbers here; cut-offs of this package fall from 1 to 0 between the ranks k and k + 1.
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
        information retrieval measures", Information Retrieval 13, 2010.
    """
    check_positive("temperature", temperature)
    return _loss_of(metric, lambda s, mask: approx_ranks(s, mask, temperature), lower_is_better)


def bound(metric: Callable[..., Tensor], *, lower_is_better: bool = False) -> Callable[..., Tensor]:
    r"""Make the loss 1 − metric, at upper bounds on the ranks.

        r̂_i = 1 + Σ_{j ≠ i} max(0, 1 − (s_i − s_j))

    For a metric that falls when relevant documents move down, the loss is no less than 1 − metric.

    Args:
        metric: `metric(scores, labels, *, mask, weights, ranks, reduction)`, as for `approx`.
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
    return _loss_of(metric, bound_ranks, lower_is_better)
