"""The words of the training split."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from .._checks import check_at_least
from .._columns import Features, row_chunks


class WithWords(Protocol):
    """A data set, whose columns of words hold codes."""

    @property
    def features(self) -> Features:
        """(document, feature)."""

    @property
    def feature_ids(self) -> tuple[int, ...]:
        """(feature,)."""

    @property
    def words(self) -> Mapping[int, tuple[str, ...]]:
        """By number of a column, what its codes stand for."""


def fit_words(
    dataset: WithWords, *, min_count: int = 1, max_words: int = 1000
) -> dict[int, tuple[str, ...]]:
    """Return the words of a training split's columns, the most frequent first.

    Args:
        dataset: The training split.
        min_count: Least number of documents that have a word.
        max_words: Largest number of words per column. `RankingDataset.recoded` takes the others as
            another word.

    Returns:
        By number of a column, its words; equally frequent ones by their text.

    Raises:
        ValueError: `min_count` or `max_words` is below 1.
    """
    check_at_least(1, min_count=min_count, max_words=max_words)
    counts = {number: np.zeros(len(own), np.int64) for number, own in dataset.words.items()}
    places = {number: dataset.feature_ids.index(number) for number in counts}
    if counts:
        for rows in row_chunks(dataset.features):
            for number, count in counts.items():
                codes = rows[:, places[number]]
                known = codes[codes < len(count)]  # neither a gap nor another word
                count += np.bincount(known.astype(np.int64), minlength=len(count))
    found = {}
    for number, count in counts.items():
        own = dataset.words[number]
        kept = np.flatnonzero(count >= min_count).tolist()
        kept.sort(key=lambda code, count=count, own=own: (-count[code], own[code]))  # type: ignore[misc]
        found[number] = tuple(own[code] for code in kept[:max_words])
    return found
