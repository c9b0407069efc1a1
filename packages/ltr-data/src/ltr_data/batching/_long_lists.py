"""Which documents stay in a list that is too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .._checks import check_at_least, check_name


@dataclass(frozen=True)
class LongLists:
    """Lists shortened to a length, for batches of bounded or static shape.

    Args:
        length: Largest number of documents that stay.
        policy: "sample" draws documents uniformly; "truncate" takes the first ones of the file.
        keep_relevant: Name of a task. If the list has documents with a positive label of it but
            none would stay, one of them replaces the last document that stays: a random one
            ("sample") or the first of the file ("truncate").
        seed: Of the samples; a list has the same sample in the same epoch, whatever the batch.

    Raises:
        ValueError: `length` is below 1, or the policy is unknown.

    Examples:
        >>> policy = LongLists(length=2, policy="truncate", keep_relevant="click")
        >>> policy.choose(np.array([0, 0, 0, 1.0]), query=0, epoch=0)
        array([0, 3])

    Note:
        A metric of a shortened list is not that of the list: shorten training lists only.
    """

    length: int
    policy: Literal["sample", "truncate"] = "sample"
    keep_relevant: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(1, length=self.length)
        check_name("policy", self.policy, ("sample", "truncate"))

    def task(self, tasks: Sequence[str]) -> int | None:
        """Return the position of the task of `keep_relevant`, if any."""
        if self.keep_relevant is None:
            return None
        check_name("keep_relevant", self.keep_relevant, tasks)
        return tasks.index(self.keep_relevant)

    def choose(
        self, labels: npt.NDArray[np.floating], query: int, epoch: int
    ) -> npt.NDArray[np.int64]:
        """Return the (kept,) ascending positions of the documents that stay.

        Args:
            labels: (document,) of the task of `keep_relevant`; any without one.
            query: Position of the query; with seed and epoch it determines the sample.
            epoch: Of the training.
        """
        count = len(labels)
        if count <= self.length:
            return np.arange(count)
        if self.policy == "truncate":
            order = np.arange(count)
        else:
            order = np.random.default_rng([self.seed, epoch, query]).permutation(count)
        chosen = order[: self.length]
        if self.keep_relevant is not None and not (labels[chosen] > 0).any():
            # The first relevant one of a random order is a random one.
            relevant = order[labels[order] > 0]
            if len(relevant):
                chosen[-1] = relevant[0]
        return np.sort(chosen)
