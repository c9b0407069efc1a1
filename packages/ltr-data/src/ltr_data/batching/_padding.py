"""Lists of different lengths, padded to a batch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from .._columns import Features
from ._batch import RankingBatch

#: The documents of one list, consecutive or not.
Documents = slice | npt.NDArray[np.int64]


def pad(
    features: Features,
    labels: npt.NDArray[np.float32],
    label_mask: npt.NDArray[np.bool_] | None,
    lists: Sequence[tuple[str, Documents]],
    pad_to: tuple[int, int] | None,
) -> RankingBatch:
    """Stack lists of documents, each padded with zeros, and fill up with empty lists.

    Features are (document, feature), labels and their mask (task, document). `lists` has the query
    id and the documents of each; `pad_to` is (number of lists, list length), None the smallest.
    """
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
    for i, ((_, documents), length) in enumerate(zip(lists, lengths, strict=True)):
        inputs[i, :length] = features[documents]
        inputs[i, length:] = 0
        targets[:, i, :length] = labels[:, documents]
        mask[i, :length] = True
        if label_mask is not None and known is not None:
            known[:, i, :length] = label_mask[:, documents]
    return RankingBatch(
        features=torch.from_numpy(inputs),
        labels=torch.from_numpy(targets),
        mask=torch.from_numpy(mask),
        query_ids=(*(query_id for query_id, _ in lists), *[""] * (shape[0] - len(lists))),
        label_mask=None if known is None else torch.from_numpy(known),
    )
