"""From a file to a data set in one call."""

import os
from collections.abc import Collection, Sequence

from ._dataset import RELEVANCE, RankingDataset
from ._labels import LabelSpec
from .svmrank import read_svmrank


def open(  # noqa: A001 - ltr_data.open is to ranking files what open is to files
    path: str | os.PathLike[str],
    labels: Sequence[LabelSpec] = (RELEVANCE,),
    inputs: Collection[int] | None = None,
    *,
    num_features: int | None = None,
) -> RankingDataset:
    r"""Read a ranking file and choose its labels and inputs.

    Args:
        path: A file in the format of `read_svmrank`.
        labels: One specification per task; see `RankingDataset.from_table`.
        inputs: Numbers of the features to rank by; all but those of the labels when not given.
        num_features: Number of columns of the file; see `read_svmrank`.

    Returns:
        The data set.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is wrong, or labels and inputs do not fit the columns.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt")
        ...     _ = path.write_text("2 qid:7 1:0.5 2:3\n0 qid:7 1:0.1 2:0\n")
        ...     dataset = open(path, labels=[LabelSpec("relevance"), LabelSpec("click", source=2)])
        >>> dataset.tasks, dataset.feature_ids, dataset.labels.tolist()
        (('relevance', 'click'), (1,), [[2.0, 0.0], [3.0, 0.0]])
    """
    table = read_svmrank(path, num_features=num_features)
    return RankingDataset.from_table(table, labels, inputs)
