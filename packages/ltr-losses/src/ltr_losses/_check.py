"""The checks of arguments that all losses and metrics share.

Looking at values takes a device-to-host copy and breaks the graph, so only shapes, types and names
are checked here. Bad values (NaN among the real documents, a negative weight) make the
list's result NaN: see `Lists.sound`.
"""

import difflib
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor

from ._jagged import pad_rows, padded_rows

REDUCTIONS = ("mean", "sum", "none")

Reduction = str | Callable[[Tensor, Tensor], Tensor]
"""One of `REDUCTIONS`, or a function of (values, counts), both over the leading axes: the value of
every list, and whether the list has one (its value is 0 otherwise). It is what training on several
machines needs, where the mean is over lists that are elsewhere."""


class Lists(NamedTuple):
    """Scores, labels and weights of the real documents; padded positions hold zeros.

    The leading axes broadcast but are not expanded, so what depends on scores alone is computed
    once for all tasks.
    """

    scores: Tensor
    labels: Tensor
    mask: Tensor
    weights: Tensor | None
    sound: Tensor
    """Per list: the scores and labels are finite, the weights finite and not negative."""
    leading: tuple[int, ...]
    """The broadcast leading axes: the shape of one value per list."""
    places: Tensor | None = None
    """(batch, list), where each document is in jagged rows; None: they were padded already."""


def did_you_mean(value: object, choices: Sequence[str]) -> str:
    """Name the nearest choice, as the end of an error message."""
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.0)
    return f"did you mean {near[0]!r}?"


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError with the nearest name unless `value` is one of `choices`."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        near = did_you_mean(value, choices)
        raise ValueError(f"`{name}` must be one of {known}, got {value!r}; {near}")


def _index(k: SupportsIndex) -> int | None:
    """Return an integer of NumPy or of a tensor without an axis as an int, else None."""
    if "bool" in str(getattr(k, "dtype", "")):
        return None
    try:
        return operator.index(k)
    except TypeError:
        return None


def check_k(k: SupportsIndex | None) -> int | None:
    """Return `k` as an int, or None; raise unless it is one of these, and positive.

    Integers of NumPy and of tensors without an axis are integers too.
    """
    if k is None:
        return None
    number = k if isinstance(k, int) else _index(k)
    if number is None or isinstance(k, bool):
        raise TypeError(f"`k` must be a positive int or None, got {k!r}")
    if number < 1:
        raise ValueError(f"`k` must be a positive int or None, got {number}")
    return number


def check_positive(name: str, value: float, *, zero: bool = False) -> None:
    """Raise unless `value` is a finite number above zero (or zero, where that is allowed)."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"`{name}` must be a number, got {type(value).__name__}")
    if not (0.0 <= value < float("inf")) or (value == 0.0 and not zero):
        bound = "finite and not negative" if zero else "finite and positive"
        raise ValueError(f"`{name}` must be {bound}, got {value}")


def check_tensor(name: str, value: object, length: int | None = None, *, one: bool = False) -> None:
    """Raise unless `value` is a tensor with that many documents (or `one` for all of them)."""
    if not isinstance(value, Tensor):
        raise TypeError(f"`{name}` must be a tensor, got {type(value).__name__}")
    if value.dim() == 0:
        raise ValueError(f"`{name}` must have a list axis, got a scalar tensor")
    if value.shape[-1] == 0:
        raise ValueError(f"`{name}` must have a list axis of one position or more, got 0")
    if length is None or value.shape[-1] == length or (one and value.shape[-1] == 1):
        return
    raise ValueError(
        f"`{name}` must have {length} documents on its last axis, as `scores` has, "
        f"got shape {tuple(value.shape)}"
    )


def check_mask(mask: Tensor, length: int) -> None:
    """Raise unless `mask` is a bool tensor of that many documents."""
    check_tensor("mask", mask, length)
    if mask.dtype != torch.bool:
        raise TypeError(f"`mask` must be bool, True at a real document, got {mask.dtype}")


def check_function(name: str, value: object, what: str) -> None:
    """Raise unless `value`, a loss or a metric as `what` says, can be called."""
    if not callable(value):
        raise TypeError(f"`{name}` must be a {what}, got {type(value).__name__}")


def _check_leading(name: str, leading: tuple[int, ...], so_far: tuple[int, ...]) -> tuple[int, ...]:
    """Broadcast two leading shapes, naming the argument that does not match."""
    n = max(len(leading), len(so_far))
    a = (1,) * (n - len(leading)) + leading
    b = (1,) * (n - len(so_far)) + so_far
    for x, y in zip(a, b, strict=True):
        if x != y and x != 1 and y != 1:
            raise ValueError(
                f"`{name}` must have leading axes that broadcast with {so_far}, got {leading}"
            )
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


def prepare(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor | None,
    weights: Tensor | None,
    reduction: Reduction,
    *,
    offsets: Tensor | None = None,
    infinite_scores: bool = False,
) -> Lists:
    """Check the arguments that all losses share, and bring them into one form.

    float64 scores are computed in float64, all others in float32, whatever autocast says (no loss
    calls an operation that autocast would lower). With `offsets` the other tensors are (...,
    documents), and padded here. `infinite_scores` says whether ±inf is a score like any other: a
    metric looks at the order alone. Raise TypeError for a wrong type or dtype, ValueError for
    shapes that do not fit or an unknown reduction.
    """
    if not callable(reduction):
        check_choice("reduction", reduction, REDUCTIONS)
    check_tensor("scores", scores)
    if not scores.is_floating_point():
        raise TypeError(f"`scores` must be floating point, got {scores.dtype}")
    index = None
    if offsets is not None:
        scores, labels, mask, weights, index = _padded(scores, labels, mask, weights, offsets)
    n = scores.shape[-1]
    check_tensor("labels", labels, n)
    if labels.is_complex():
        raise TypeError(f"`labels` must be real, got {labels.dtype}")
    leading = _check_leading("labels", tuple(labels.shape[:-1]), tuple(scores.shape[:-1]))
    if mask is None:
        mask = torch.ones(n, dtype=torch.bool, device=scores.device)
    check_mask(mask, n)
    leading = _check_leading("mask", tuple(mask.shape[:-1]), leading)

    dtype = torch.float64 if scores.dtype == torch.float64 else torch.float32
    # `where`, not a product: a padded NaN must leave neither value nor gradient.
    scores = torch.where(mask, scores.to(dtype), 0.0)
    labels = torch.where(mask, labels.detach().to(dtype), 0.0)
    fine = ~scores.isnan().any(-1) if infinite_scores else _all_finite(scores)
    sound = fine & _all_finite(labels)
    if weights is not None:
        check_tensor("weights", weights, n, one=True)
        if weights.is_complex():
            raise TypeError(f"`weights` must be real, got {weights.dtype}")
        leading = _check_leading("weights", tuple(weights.shape[:-1]), leading)
        # A weight per list must not be lost with the list's first document.
        real = mask if weights.shape[-1] == n else mask.any(-1, keepdim=True)
        weights = torch.where(real, weights.detach().to(dtype), 0.0)
        sound = sound & _all_finite(weights) & (weights >= 0).all(-1)
    return Lists(scores, labels, mask, weights, sound, leading, index)


def _all_finite(values: Tensor) -> Tensor:
    """Return whether all of a list are finite; a third of the time of `isfinite().all(-1)`."""
    return values.detach().abs().amax(-1) < float("inf")


def _padded(
    scores: Tensor, labels: Tensor, mask: Tensor | None, weights: Tensor | None, offsets: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
    documents = scores.shape[-1]
    index, real = padded_rows(offsets, documents)
    for name, value in (("labels", labels), ("weights", weights)):
        if value is not None:
            check_tensor(name, value, documents, one=name == "weights")
    if mask is not None:
        check_mask(mask, documents)
        real = real & pad_rows(mask, index)
    if weights is not None:
        # One weight for all documents needs a batch axis alone.
        one = weights.shape[-1] == 1 and documents != 1
        weights = weights.unsqueeze(-1) if one else pad_rows(weights, index)
    return pad_rows(scores, index), pad_rows(labels, index), real, weights, index
