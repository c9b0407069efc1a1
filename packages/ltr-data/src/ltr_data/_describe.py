"""A summary of the data: sizes, list lengths, labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._columns import Features, row_chunks
from ._dataset import RankingDataset
from ._table import RankingTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_VALUES = 10  # of a label in the text; more are shown as quartiles
_FEW_WORDS = 3


@dataclass(frozen=True)
class ColumnDescription:
    """What a column with a name holds; `str` formats the values as text.

    Attributes:
        number: Its number.
        name: Its name.
        kind: How its values are written, of `KINDS`.
        gaps: Share of documents without a value.
        least: The smallest number; NaN if all are gaps.
        most: The largest number.
        words: The words, if it is of words.
    """

    number: int
    name: str
    kind: str
    gaps: float
    least: float
    most: float
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.gaps == 1:
            return "nothing"
        if self.kind != "words":
            return f"{self.least:g} to {self.most:g}"
        shown = ", ".join(self.words[:_FEW_WORDS])
        more = ", ..." if len(self.words) > _FEW_WORDS else ""
        return f"{len(self.words):,} words: {shown}{more}"


@dataclass(frozen=True)
class Description:
    """Sizes, list lengths and labels of a table or data set; `str` formats it as text.

    Attributes:
        num_documents: Number of documents.
        num_queries: Number of lists.
        num_features: Number of columns.
        tasks: (task,) names of the labels.
        lengths: List length to number of lists.
        labels: Task to label to number of documents; unknown labels are left out.
        known: Task to number of documents with a label.
        signal: Task to share of lists with different labels; only these can teach an order.
        correlation: (task, task) Pearson's, over documents in which both labels are known; NaN
            where one of them is constant.
        constant_columns: Numbers of the features with a single value.
        columns: What the columns hold, if they have names.
    """

    num_documents: int
    num_queries: int
    num_features: int
    tasks: tuple[str, ...]
    lengths: Mapping[int, int]
    labels: Mapping[str, Mapping[float, int]]
    known: Mapping[str, int]
    signal: Mapping[str, float]
    correlation: npt.NDArray[np.float64]
    constant_columns: tuple[int, ...]
    columns: tuple[ColumnDescription, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON; an undefined correlation is None."""
        correlation = [[None if np.isnan(r) else float(r) for r in row] for row in self.correlation]
        labels = {task: [list(item) for item in self.labels[task].items()] for task in self.tasks}
        return {
            **vars(self),
            "tasks": list(self.tasks),
            "lengths": [list(item) for item in self.lengths.items()],
            "labels": labels,
            "correlation": correlation,
            "constant_columns": list(self.constant_columns),
            "columns": [{**vars(column), "words": list(column.words)} for column in self.columns],
        }

    def __str__(self) -> str:
        lengths = np.repeat(list(self.lengths), list(self.lengths.values()))
        low, middle, high = np.quantile(lengths, (0.01, 0.5, 0.99), method="nearest")
        constant = ", ".join(map(str, self.constant_columns)) or "none"
        if self.columns:
            named = [c.name for c in self.columns if c.number in self.constant_columns]
            constant = ", ".join(named) or "none"
        spread = (
            f"mean {lengths.mean():.1f}, least {lengths.min()}, 1 % {low}, median {middle}, "
            f"99 % {high}, most {lengths.max()}"
        )
        lines = [self._sizes(), f"list lengths: {spread}", f"constant features: {constant}"]
        for task in self.tasks:
            missing = self.num_documents - self.known[task]
            lines.append(
                f"task {task}: {100 * self.signal[task]:.1f} % of lists with different labels"
                + (f", {missing:,} documents without a label" if missing else "")
            )
            lines.append("  " + ", ".join(self._shares(task)))
        if len(self.tasks) > 1:
            width = max(map(len, self.tasks))
            lines.append("correlation of labels:")
            for task, row in zip(self.tasks, self.correlation, strict=True):
                lines.append(f"  {task:<{width}} " + " ".join(f"{value:+.2f}" for value in row))
        if self.columns:
            width = max(len(column.name) for column in self.columns)
            lines.append("columns: kind, share of gaps, values")
            lines += [
                f"  {column.name:<{width}} {column.kind:<7} {100 * column.gaps:5.1f} %  {column}"
                for column in self.columns
            ]
        return "\n".join(lines)

    def _shares(self, task: str) -> list[str]:
        values, counts = np.array(list(self.labels[task].items())).reshape(-1, 2).T
        total = max(counts.sum(), 1)
        if len(values) <= _MOST_VALUES:
            pairs = zip(values, counts, strict=True)
            return [f"{value:g}: {100 * count / total:.1f} %" for value, count in pairs]
        points = np.searchsorted(np.cumsum(counts) / total, (0, 0.25, 0.5, 0.75, 1))
        least, q1, q2, q3, most = values[points.clip(max=len(values) - 1)]
        return [
            f"{len(values):,} different from {least:g} to {most:g}",
            f"quartiles {q1:g}, {q2:g}, {q3:g}",
        ]

    def plot(self) -> "Figure":
        """Plot list lengths, labels and their correlation; needs the extra ``plot``."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        panels = 1 + len(self.tasks) + (len(self.tasks) > 1)
        columns = 2 if panels == 4 else min(panels, 3)
        lines = -(-panels // columns)
        figure = Figure(figsize=(4 * columns, 0.5 + 3.1 * lines), layout="constrained")
        axes = [figure.add_subplot(lines, columns, i + 1) for i in range(panels)]
        figure.suptitle(self._sizes())
        # Few lists have no smooth distribution: they get few bars.
        bins = int(np.clip(2 * np.sqrt(self.num_queries), 5, 50))
        axes[0].hist(list(self.lengths), bins=bins, weights=list(self.lengths.values()))
        axes[0].set(title="list lengths", xlabel="documents", ylabel="lists")
        axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
        for ax, task in zip(axes[1:], self.tasks, strict=False):
            values = list(self.labels[task])
            shares = [count / self.num_documents for count in self.labels[task].values()]
            if len(values) <= _MOST_VALUES:
                bars = ax.bar([f"{value:g}" for value in values], shares)
                ax.bar_label(bars, fmt="{:.1%}", fontsize=8)
                ax.margins(y=0.12)
            else:
                ax.hist(values, bins=50, weights=shares)
            missing = 1 - self.known[task] / self.num_documents
            title = f"{task} ({missing:.1%} unknown)" if missing else task
            ax.set(title=title, xlabel="label", ylabel="share of documents")
            ax.yaxis.set_major_formatter(PercentFormatter(1))
        for ax in axes[: 1 + len(self.tasks)]:
            ax.spines[["top", "right"]].set_visible(False)
        if len(self.tasks) > 1:
            self._plot_correlation(axes[-1])
        return figure

    def _plot_correlation(self, ax: "Axes") -> None:
        ax.imshow(self.correlation, vmin=-1, vmax=1, cmap="RdBu_r")
        for (i, j), value in np.ndenumerate(self.correlation):
            colour = "white" if abs(value) > 0.6 else "black"
            shown = "–" if np.isnan(value) else f"{value:+.2f}"
            ax.text(j, i, shown, ha="center", va="center", fontsize=8, color=colour)
        ax.set_xticks(range(len(self.tasks)), self.tasks, rotation=45, ha="right")
        ax.set_yticks(range(len(self.tasks)), self.tasks)
        ax.set_title("correlation of labels")

    def _sizes(self) -> str:
        documents = f"{self.num_documents:,} documents of {self.num_queries:,} queries"
        return f"{documents}, {self.num_features} features"


def describe(data: RankingTable | RankingDataset) -> Description:
    """Summarise a table (with its one label) or a data set (with its tasks).

    The features are read some rows at a time, so that a mapped file does not fill the memory.

    Raises:
        TypeError: `data` is something else, such as a path.

    Examples:
        >>> from ltr_data import from_numpy
        >>> table = from_numpy([[1, 5], [2, 5], [3, 5]], labels=[2, 0, 1], query_ids=[7, 7, 8])
        >>> print(describe(table))
        3 documents of 2 queries, 2 features
        list lengths: mean 1.5, least 1, 1 % 1, median 1, 99 % 2, most 2
        constant features: 2
        task label: 50.0 % of lists with different labels
          0: 33.3 %, 1: 33.3 %, 2: 33.3 %
    """
    if not isinstance(data, (RankingTable, RankingDataset)):
        raise TypeError(
            f"`data` must be a table or a data set, got {data!r}; `ltr_data.open` makes one of a "
            "file"
        )
    if isinstance(data, RankingTable):
        tasks: tuple[str, ...] = () if data.labels is None else ("label",)
        labels, mask = np.zeros((0, data.num_documents), dtype=np.float32), None
        if data.labels is not None:
            labels = data.labels[None]
    else:
        tasks, labels, mask = data.tasks, data.labels, data.label_mask
    known = np.ones(labels.shape, dtype=np.bool_) if mask is None else mask
    found = {}
    signal = {}
    starts = data.offsets[:-1]
    for task, values, here in zip(tasks, labels, known, strict=True):
        distinct, counts = np.unique(values[here], return_counts=True)
        found[task] = dict(zip(distinct.tolist(), counts.tolist(), strict=True))
        most = np.maximum.reduceat(np.where(here, values, -np.inf), starts)
        least = np.minimum.reduceat(np.where(here, values, np.inf), starts)
        signal[task] = float((most > least).mean())
    lengths, lists = np.unique(data.lengths, return_counts=True)
    gaps, least, most = _ranges(data.features)
    constant = (gaps == 0) & (least == most) | (gaps == data.num_documents)
    return Description(
        num_documents=data.num_documents,
        num_queries=len(data.query_ids),
        num_features=data.features.shape[1],
        tasks=tasks,
        lengths=dict(zip(lengths.tolist(), lists.tolist(), strict=True)),
        labels=found,
        known=dict(zip(tasks, known.sum(axis=1).tolist(), strict=True)),
        signal=signal,
        correlation=_correlation(labels, known),
        constant_columns=tuple(np.array(data.feature_ids)[constant].tolist()),
        columns=tuple(
            ColumnDescription(
                number,
                name,
                data.kinds.get(number, "number"),
                int(gaps[j]) / data.num_documents,
                float(least[j]),
                float(most[j]),
                data.words.get(number, ()),
            )
            for j, (number, name) in enumerate(
                zip(data.feature_ids, data.feature_names or (), strict=False)
            )
        ),
    )


def _correlation(
    labels: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    result = np.full((len(labels), len(labels)), np.nan)
    for i in range(len(labels)):
        for j in range(i + 1):
            both = known[i] & known[j]
            pair = labels[[i, j]][:, both].astype(np.float64)
            if both.any() and (pair.min(axis=1) < pair.max(axis=1)).all():
                centred = pair - pair.mean(axis=1, keepdims=True)
                product = (centred[0] * centred[1]).mean()
                result[i, j] = result[j, i] = product / centred.std(axis=1).prod()
    return result


def _ranges(features: Features) -> tuple[npt.NDArray[Any], ...]:
    """Return by column the number of gaps, and the least and largest number."""
    width = features.shape[1]
    gaps, least, most = (
        np.zeros(width, dtype=np.int64),
        np.full(width, np.nan),
        np.full(width, np.nan),
    )
    for rows in row_chunks(features):
        gaps += np.isnan(rows).sum(axis=0)
        least = np.fmin(least, np.fmin.reduce(rows, axis=0))
        most = np.fmax(most, np.fmax.reduce(rows, axis=0))
    return gaps, least, most
