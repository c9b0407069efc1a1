"""Metrics of single queries as a table, to look into and to compare systems by.

It needs `pip install 'ltr-losses[pandas]'`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from pandas import DataFrame


def per_query(
    metrics: Mapping[str, Callable[..., Tensor]],
    scores: Tensor,
    labels: Tensor,
    *,
    queries: Sequence[Any] | None = None,
    tasks: Sequence[Any] | None = None,
    **options: Any,
) -> "DataFrame":
    """Make a table with a row per query, or per task and query, and a column per metric.

    Args:
        metrics: What each column is called, and what it is: a metric of this package, or of your
            own with `reduction="none"`. `functools.partial` fixes its k and the like.
        scores: (..., batch, list), or (..., documents) with `offsets`.
        labels: (batch, list), (task, batch, list), or with a list axis of documents.
        queries: (batch,), the names of the queries; None: 0, 1, ...
        tasks: (task,), the names of the tasks; None: 0, 1, ...
        **options: What all the metrics take: `mask`, `weights`, `offsets`, `empty`, ...

    Returns:
        The columns `task` (where there is a task axis), `query`, and one per metric; all queries of
        the first task are first. NaN where the list has no value.

    Raises:
        ImportError: pandas (`pip install 'ltr-losses[pandas]'`) is not installed.
        TypeError: An option that a metric does not have.
        ValueError: A metric with other values than (batch,) or (task, batch), or too few or too
            many names.

    Examples:
        >>> from functools import partial
        >>> from ltr_losses import mrr, ndcg
        >>> metrics = {"ndcg@2": partial(ndcg, k=2), "mrr": mrr}
        >>> labels = torch.tensor([[0, 1, 0], [2, 0, 1], [0, 0, 0]])
        >>> scores = torch.tensor([[1.0, 2.0, 3.0]]).expand(3, 3)
        >>> print(per_query(metrics, scores, labels, queries=["a", "b", "c"]).round(3))
          query  ndcg@2  mrr
        0     a   0.631  0.5
        1     b   0.275  1.0
        2     c     NaN  NaN

        Whether two systems, of which the second is noisier, differ in a metric: the rows of their
        tables are the same queries, and those without a value are left out.

        >>> import pandas as pd
        >>> from ltr_losses.significance import holm, paired_randomization
        >>> noise = torch.Generator().manual_seed(0)
        >>> labels = torch.randint(0, 3, (60, 8), generator=noise)
        >>> a, b = (
        ...     per_query(metrics, labels + width * torch.randn(60, 8, generator=noise), labels)
        ...     for width in (1.0, 2.0)
        ... )
        >>> found = pd.DataFrame({"a": a[list(metrics)].mean(), "b": b[list(metrics)].mean()})
        >>> found["p"] = [float(paired_randomization(a[name], b[name])) for name in metrics]
        >>> found["adjusted"] = holm(found["p"])
        >>> print(found.round(3))
                    a      b      p  adjusted
        ndcg@2  0.822  0.684  0.008     0.015
        mrr     0.967  0.935  0.312     0.312
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        message = "`per_query` needs pandas: pip install 'ltr-losses[pandas]'"
        raise ImportError(message) from error

    values = {
        name: metric(scores, labels, reduction="none", **options)
        for name, metric in metrics.items()
    }
    shape = _shape(scores, labels, options)
    for name, value in values.items():
        if value.shape != shape or len(shape) not in (1, 2):
            raise ValueError(
                "`metrics` must give one value per list, (batch,) or (task, batch), "
                f"got shape {tuple(value.shape)} by {name!r} for lists {tuple(shape)}"
            )
    *leading, batch = shape
    names = _names("queries", queries, batch)
    columns: dict[str, Any] = {"query": names}
    if leading:
        task_names = _names("tasks", tasks, leading[0])
        columns = {"task": [x for x in task_names for _ in names], "query": names * leading[0]}
    for name, value in values.items():
        columns[name] = value.detach().to("cpu", torch.float64).flatten().numpy()
    return DataFrame(columns)


def _shape(scores: Tensor, labels: Tensor, options: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape of one value per list."""
    given = [scores, labels, options.get("mask"), options.get("weights")]
    leading = np.broadcast_shapes(*(x.shape[:-1] for x in given if x is not None))
    offsets = options.get("offsets")
    return leading if offsets is None else (*leading, len(offsets) - 1)


def _names(what: str, names: Sequence[Any] | None, n: int) -> list[Any]:
    """Return the names, or numbers; raise where they are not `n`."""
    found = list(range(n)) if names is None else list(names)
    if len(found) != n:
        raise ValueError(f"`{what}` must be {n} names, got {len(found)}")
    return found
