"""Columns that a user may not have meant as inputs: ids, and what tells a label."""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ltr_data import RankingDataset

ROWS = 20_000
"""Largest number of training documents that are looked at."""

_DECIMAL_COMMA = re.compile(r"-?\d+(,\d+)?")
_DIFFERENT = 0.9
_TELLS = 0.8
_FEW = 20
_PAIRED = 500
"""Largest number of documents whose pairs are counted."""


def suspicious_inputs(train: RankingDataset) -> Iterator[str]:
    """Yield a sentence for each input that looks like an id, or that tells a label by its order.

    Words, and whole numbers, look like an id where more than 90 of 100 values are different. A
    column tells a label where of all pairs of documents with different labels it orders at least 90
    of 100 as the label does, or as many the other way round.
    """
    rows = slice(0, ROWS)
    features = np.asarray(train.features[rows])
    known = train.label_mask
    if known is None:
        known = np.ones(train.labels.shape, dtype=np.bool_)
    for j, (number, name) in enumerate(zip(train.feature_ids, train.input_names, strict=True)):
        values = features[:, j]
        there = ~np.isnan(values)
        if there.sum() < _FEW:
            continue
        different = len(np.unique(values[there])) / there.sum()
        whole = number in train.words or bool((values[there] % 1 == 0).all())
        if whole and different > _DIFFERENT:
            yield (
                f"the input {name!r} looks like an id: {different:.0%} of its values are "
                f"different; --exclude {name} leaves it out"
            )
        if number in train.words:
            if all(map(_DECIMAL_COMMA.fullmatch, train.words[number])):
                yield (
                    f"the input {name!r} has numbers with a decimal comma, which are taken for "
                    "words; a decimal point makes them numbers"
                )
            continue
        for task, labels, of_task in zip(train.tasks, train.labels, known, strict=True):
            both = there & of_task[rows]
            if abs(_agreement(values[both], labels[rows][both])) >= _TELLS:
                yield (
                    f"the input {name!r} tells the label {task!r}, since both have much the same "
                    f"order; --exclude {name} leaves it out"
                )


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Print what a user should look at, each sentence once."""
    for note in dict.fromkeys(notes):
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)


def _agreement(values: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Return Somers' D of some documents: the mean of ±1 over pairs with different labels."""
    step = -(-len(values) // _PAIRED) or 1
    order = np.sign(np.subtract.outer(labels[::step], labels[::step]))
    pairs = np.abs(order).sum()
    if len(values) < _FEW or not pairs:
        return 0.0
    found = np.sign(np.subtract.outer(values[::step], values[::step]))
    return float((order * found).sum() / pairs)
