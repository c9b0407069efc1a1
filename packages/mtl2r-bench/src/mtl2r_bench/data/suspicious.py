"""Columns that a user may not have meant as inputs: ids, and what tells a label."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ltr_data import RankingDataset

ROWS = 20_000
"""Largest number of training documents that are looked at."""

_DIFFERENT = 0.9
_TELLS = 0.98
_FEW = 20


def suspicious_inputs(train: RankingDataset) -> Iterator[str]:
    """Yield a sentence for each input that looks like an id, or that tells a label by its order.

    Words, and whole numbers, look like an id where more than 90 of 100 values are different. A
    column tells a label where the correlation of their ranks is at least 0.98.
    """
    rows = slice(0, ROWS)
    features = np.asarray(train.features[rows])
    known = (
        np.ones(train.labels.shape, dtype=np.bool_)
        if train.label_mask is None
        else (train.label_mask)
    )
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
            continue
        for task, labels, of_task in zip(train.tasks, train.labels, known, strict=True):
            both = there & of_task[rows]
            if abs(_rank_correlation(values[both], labels[rows][both])) >= _TELLS:
                yield (
                    f"the input {name!r} tells the label {task!r}, since both have almost the same "
                    f"order; --exclude {name} leaves it out"
                )


def _rank_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    if len(a) < _FEW or len(np.unique(a)) < 2 or len(np.unique(b)) < 2:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
