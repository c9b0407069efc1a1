"""Lists of different lengths, padded to a batch."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from .._columns import Features
from .._strings import Strings
from ._batch import RankingBatch

#: The documents of one list, consecutive or not.
Documents = slice | npt.NDArray[np.int64]


class PerDocument(Protocol):
    """What a batch takes from a data set."""

    @property
    def features(self) -> Features:
        """(document, feature)."""

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """(task, document)."""

    @property
    def label_mask(self) -> npt.NDArray[np.bool_] | None:
        """(task, document)."""

    @property
    def weights(self) -> npt.NDArray[np.float32] | None:
        """(document,)."""

    @property
    def document_ids(self) -> Strings | None:
        """(document,)."""


def pad(
    data: PerDocument, lists: Sequence[tuple[str, Documents]], pad_to: tuple[int, int] | None
) -> RankingBatch:
    """Stack lists of documents, each padded with zeros, and fill up with empty lists.

    `lists` has the query id and the documents of each; `pad_to` is (number of lists, list length),
    None the smallest.
    """
    features, labels, label_mask, weights = (
        data.features,
        data.labels,
        data.label_mask,
        data.weights,
    )
    lengths = [d.stop - d.start if isinstance(d, slice) else len(d) for _, d in lists]
    shape = (len(lists), max(lengths)) if pad_to is None else pad_to
    if len(lists) > shape[0] or max(lengths) > shape[1]:
        raise ValueError(
            f"`pad_to` must hold {len(lists)} lists of up to {max(lengths)} documents, got {shape}"
        )
    # Copying a slice of consecutive documents is faster than indexing each document.
    inputs = np.empty((*shape, features.shape[1]), dtype=np.float32)
    inputs[len(lists) :] = 0
    targets = np.zeros((len(labels), *shape), dtype=np.float32)
    mask = np.zeros(shape, dtype=np.bool_)
    known = None if label_mask is None else np.zeros(targets.shape, dtype=np.bool_)
    worth = None if weights is None else np.zeros(shape, dtype=np.float32)
    ids: list[Sequence[str]] = []
    for i, ((_, documents), length) in enumerate(zip(lists, lengths, strict=True)):
        inputs[i, :length] = features[documents]
        inputs[i, length:] = 0
        targets[:, i, :length] = labels[:, documents]
        mask[i, :length] = True
        if label_mask is not None and known is not None:
            known[:, i, :length] = label_mask[:, documents]
        if weights is not None and worth is not None:
            worth[i, :length] = weights[documents]
        if data.document_ids is not None:
            own = data.document_ids
            ids.append(own[documents] if isinstance(documents, slice) else own.take(documents))
    return RankingBatch(
        features=torch.from_numpy(inputs),
        labels=torch.from_numpy(targets),
        mask=torch.from_numpy(mask),
        query_ids=(*(query_id for query_id, _ in lists), *[""] * (shape[0] - len(lists))),
        label_mask=None if known is None else torch.from_numpy(known),
        weights=None if worth is None else torch.from_numpy(worth),
        document_ids=(
            None
            if data.document_ids is None
            else (*map(tuple, ids), *[()] * (shape[0] - len(lists)))
        ),
    )
