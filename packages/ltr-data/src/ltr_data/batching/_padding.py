"""Padded arrays of lists of different lengths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._columns import Features

#: The documents of one list, consecutive or not.
Documents = slice | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Padded:
    """Arrays with the axes of a `RankingBatch`."""

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    label_mask: npt.NDArray[np.bool_] | None


def pad(
    features: Features,
    labels: npt.NDArray[np.float32],
    label_mask: npt.NDArray[np.bool_] | None,
    lists: Sequence[Documents],
    pad_to: tuple[int, int] | None,
) -> Padded:
    """Stack lists of documents, each padded with zeros, and fill up with empty lists.

    Args:
        features: (document, feature).
        labels: (task, document).
        label_mask: (task, document), or None.
        lists: The documents of each.
        pad_to: (number of lists, list length); None for the smallest that holds all.
    """
    lengths = [d.stop - d.start if isinstance(d, slice) else len(d) for d in lists]
    shape = (len(lists), max(lengths)) if pad_to is None else pad_to
    if len(lists) > shape[0] or max(lengths) > shape[1]:
        raise ValueError(
            f"`pad_to` must hold {len(lists)} lists of up to {max(lengths)} documents, got {shape}"
        )
    # Slices of consecutive documents copy faster than an index of each document.
    padded = Padded(
        features=np.empty((*shape, features.shape[1]), dtype=np.float32),
        labels=np.zeros((len(labels), *shape), dtype=np.float32),
        mask=np.zeros(shape, dtype=np.bool_),
        label_mask=None if label_mask is None else np.zeros((len(labels), *shape), dtype=np.bool_),
    )
    padded.features[len(lists) :] = 0
    for i, (documents, length) in enumerate(zip(lists, lengths, strict=True)):
        padded.features[i, :length] = features[documents]
        padded.features[i, length:] = 0
        padded.labels[:, i, :length] = labels[:, documents]
        padded.mask[i, :length] = True
        if label_mask is not None and padded.label_mask is not None:
            padded.label_mask[:, i, :length] = label_mask[:, documents]
    return padded
