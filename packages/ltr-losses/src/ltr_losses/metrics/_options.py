"""The options of all metrics, and a decorator that writes them out."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypedDict, TypeVar, cast, get_args, get_type_hints

from torch import Tensor

from .._check import Reduction, did_you_mean
from .._cutoffs import Cutoff

Ties = Literal["stable", "average"]
Empty = Literal["skip"] | float


class MetricOptions(TypedDict, total=False):
    """What every metric takes beside arguments of its own.

    Attributes:
        mask: (..., list), bool, True at a real document.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; w in the formula, None: 1.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that have a value, "sum", both over the batch axis alone,
            or "none", one value per list.
    """

    mask: Tensor | None
    ranks: Tensor | None
    weights: Tensor | None
    offsets: Tensor | None
    reduction: Reduction


class TieOptions(MetricOptions, total=False):
    """The options of a metric that can average over ties.

    Attributes:
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders.
    """

    ties: Ties


class EmptyOptions(MetricOptions, total=False):
    """The options of a metric that is undefined for a list with no relevant document.

    Attributes:
        empty: The value of a list with no relevant document: "skip", 0.0 or 1.0.
    """

    empty: Empty


class CutOptions(MetricOptions, total=False):
    """The options of a metric of the first k documents.

    Attributes:
        k: The last position that counts; None, or more than the list has: all. Several, as
            (1, 5, 10), give a leading axis, from one sort.
        cutoff: From k to (..., list), how far a document stands within the first k, to take instead
            of 1 at the `ranks` up to k, 0 from k + 1 on and a line in between; see `approx`.
    """

    k: SupportsIndex | Sequence[SupportsIndex] | None
    cutoff: Cutoff | None


class TieEmptyOptions(TieOptions, EmptyOptions, total=False):
    """The options of a metric of all documents to which ties and empty lists matter."""


class CutTieOptions(CutOptions, TieOptions, total=False):
    """The options of a metric of the first k documents to which ties matter."""


class CutEmptyOptions(CutOptions, EmptyOptions, total=False):
    """The options of a metric of the first k documents to which empty lists matter."""


class CutTieEmptyOptions(CutOptions, TieOptions, EmptyOptions, total=False):
    """The options of a metric to which all of these matter."""


DEFAULTS: Mapping[str, Any] = {
    "k": None,
    "cutoff": None,
    "mask": None,
    "ranks": None,
    "weights": None,
    "offsets": None,
    "reduction": "mean",
    "ties": "stable",
    "empty": "skip",
}

_RESULTS = """
Returns:
    The leading axes without the batch, or with it for "none"; several `k` give an axis before
    these. NaN where a real document's score is NaN or its label or weight not finite, and where no
    list has a value.

Raises:
    TypeError: A wrong type or dtype, or an unknown argument.
    ValueError: Shapes that do not match, an unknown name, or a number out of range."""

Metric = TypeVar("Metric", bound=Callable[..., Tensor])


def _documentation() -> dict[str, str]:
    """Collect the entries of the docstrings above, by name."""
    entries = {}
    for kind in (CutOptions, MetricOptions, TieOptions, EmptyOptions):
        _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        for entry in re.split(r"\n(?=    \w)", section):
            entries[entry.strip().partition(":")[0]] = entry
    return entries


def metric(function: Metric) -> Metric:
    """Write a metric's `**options` out, in its signature and its docstring, and refuse all others.

    Which options a metric has is read from the TypedDict that annotates them.
    """
    signature = inspect.signature(function)
    (kind,) = get_args(signature.parameters["options"].annotation)
    parameters = [p for p in signature.parameters.values() if p.name != "options"]
    for name, annotation in get_type_hints(kind).items():
        default, keyword = DEFAULTS[name], inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    known = tuple(parameter.name for parameter in parameters)

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Tensor:
        for name in keywords:
            if name not in known:
                raise TypeError(
                    f"`{name}` must be an argument of {function.__name__}: {', '.join(known)}; "
                    f"{did_you_mean(name, known)}"
                )
        return function(*arguments, **keywords)

    checked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    options = [entry for name, entry in _documentation().items() if name in known]
    written_out = "\n".join([*options, _RESULTS])
    doc = inspect.getdoc(function) or ""
    checked.__doc__ = re.sub(r"    \*\*options: .*", lambda _: written_out, doc)
    return cast(Metric, checked)
