"""Ordinal regression."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ._check import Reduction, prepare
from ._jagged import pad_rows
from ._reduce import mean_over_documents


def ordinal_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    thresholds: Tensor | Sequence[float] | None = None,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Ordinal regression: one binary question per level, is the label at least that?

        ℓ(z, y) = 1/n Σ_i w_i Σ_h (log(1 + exp z_hi) − t_hi z_hi),
        t_hi = min(max(y_i − h + 1, 0), 1)

    for the levels h = 1, 2, ..., with n the number of documents of the list. Without heads one
    score answers all questions, z_hi = s_i − θ_h; with heads each has an answer of its own. A label
    between two levels is a probability of the upper one. It may be differentiated twice. Memory is
    O(batch · level · list).

    Args:
        scores: (..., list), or with heads (..., head, list): log-odds of y ≥ 1, y ≥ 2, ... Heads
            of the shape of `labels`, or of their last axes, are taken for scores without heads,
            unless the axes before the head are the last ones before the list of `labels`; axes of 1
            in front say that heads are meant.
        labels: (..., list), without the head axis.
        thresholds: (level,), θ; they may ask for a gradient. None: `scores` has heads.
        mask: (..., list), bool, True at a real document; without the head axis.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its terms.
            Without the head axis.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that have a document, "sum", both over the batch axis
            alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, `thresholds` that are not a row,
            or none and `scores` without a head axis.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[2.0, 0.0]])
        >>> ordinal_loss(torch.zeros(1, 2), labels, thresholds=[0.0, 0.0])
        tensor(1.3863)
        >>> ordinal_loss(torch.zeros(1, 3, 2), labels)  # three heads
        tensor(2.0794)

    References:
        P. McCullagh, "Regression models for ordinal data", JRSS B 42, 1980 (one score); Z. Niu et
        al., "Ordinal regression with multiple output CNN for age estimation", CVPR 2016 (heads).
    """
    if thresholds is None:
        _check_heads(scores, labels)
        document, heads = scores.sum(-2), scores
    else:
        document, heads = scores, None
    lists = prepare(document, labels, mask, weights, reduction, offsets=offsets)
    if heads is not None:
        if lists.places is not None:
            heads = pad_rows(heads, lists.places).movedim(-3, -2)  # the head axis next to the list
        z = torch.where(lists.mask.unsqueeze(-2), heads.to(lists.scores.dtype), 0.0)
    else:
        theta = torch.as_tensor(thresholds, dtype=lists.scores.dtype, device=scores.device)
        if theta.dim() != 1 or theta.shape[0] == 0:
            raise ValueError(
                f"`thresholds` must be one per level, shape (level,), got {tuple(theta.shape)}"
            )
        z = lists.scores.unsqueeze(-2) - theta.unsqueeze(-1)
    levels = torch.arange(z.shape[-2], dtype=z.dtype, device=z.device).unsqueeze(-1)
    target = (lists.labels.unsqueeze(-2) - levels).clamp(0.0, 1.0)
    terms = (target * softplus(-z) + (1.0 - target) * softplus(z)).sum(-2) * lists.mask
    return mean_over_documents(terms, lists, reduction)


def _check_heads(scores: object, labels: object) -> None:
    """Raise ValueError where scores have no head axis, or the shape of labels for want of one."""
    rule = "`scores` must be (..., head, list) where `thresholds` is None"
    if not isinstance(scores, Tensor) or scores.dim() < 2:
        found = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"{rule}, got {found}")
    if not isinstance(labels, Tensor):
        return  # as for all losses, see `prepare`
    before, axes = tuple(scores.shape[:-2]), tuple(labels.shape)
    fits = len(before) > 0 and axes[:-1][-len(before) :] == before
    if axes[-scores.dim() :] == tuple(scores.shape) and not fits:
        found = tuple(scores.shape)
        raise ValueError(f"{rule}, got {found}, which without heads fits `labels` {axes}")
