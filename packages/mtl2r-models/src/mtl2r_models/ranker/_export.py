"""Rankers as programs that run without this package: torch.export and ONNX.

What is exported takes raw features (batch, list, feature) float32 and a mask (batch, list) bool, of
any batch size from 1 and any list length, applies the feature transform, and gives float32 scores
(batch, list), or (task, batch, list) where each task has a score of its own.

A missing number is NaN where the transform fills gaps. A program of torch.export, which knows no
text, takes words as codes: the place among the words of the column, a higher number for another
word, NaN for a gap. An ONNX model takes them as text in an input of their own.
"""

import copy
import importlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import TableTransform

from ..torch_internals import ONNX_LOGGER
from ._checkpoint import write_file
from ._onnx_words import take_words
from ._ranker import Ranker

_NAMES = ("features", "mask")


def export_program(ranker: Ranker, path: str | os.PathLike[str]) -> "torch.export.ExportedProgram":
    """Write a ranker as a program of `torch.export`, which runs from Python and from C++.

    ``torch.export.load(path).module()(features, mask)`` gives the ranker's scores; the file holds
    the columns, their kinds and words, and the tasks as ``columns.json`` (see `extra_files` of
    `torch.export.load`).

    Args:
        ranker: Exported in the type of its parameters, for the CPU.
        path: Of the file, usually with the ending ``.pt2``. It is written whole or not at all.

    Returns:
        The program.

    Raises:
        OSError: When the file cannot be written, for example on a full disk.
        TypeError: For anything but a `Ranker`.

    Examples:
        >>> import tempfile
        >>> from mtl2r_models import MLPScorer, Ranker
        >>> ranker = Ranker(MLPScorer(3, hidden=(4,)), feature_ids=(1, 2, 5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = export_program(ranker, f"{folder}/ranker.pt2")
        ...     program = torch.export.load(f"{folder}/ranker.pt2").module()
        >>> program(torch.zeros(2, 7, 3), torch.ones(2, 7, dtype=torch.bool)).shape
        torch.Size([2, 7])
    """
    program = _traced(_Program(ranker))
    # torch aborts the process when its own write to a disk fails.
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={"columns.json": _columns(ranker)})
    write_file(path, content.getbuffer())
    return program


def export_onnx(ranker: Ranker, path: str | os.PathLike[str]) -> None:
    """Write a ranker as an ONNX model and check that onnxruntime gives the ranker's scores.

    Inputs ``features`` and ``mask``, output ``scores``, axes ``batch`` and ``list``. Where columns
    hold words, ``features`` has the others in their order, and ``words`` (batch, list, column) the
    texts. The columns, their kinds and words, and the tasks are in the model's metadata under
    ``columns``. Half precision parameters become float32, which every runtime has.

    Args:
        ranker: What to export.
        path: Of the file, usually with the ending ``.onnx``. It is written whole or not at all.

    Raises:
        ImportError: Without ``pip install "mtl2r-models[onnx]"``.
        RuntimeError: When onnxruntime gives other scores; nothing is written.
        OSError: When the file cannot be written, for example on a full disk.
        TypeError: For anything but a `Ranker`.
    """
    onnxruntime = _required("onnxruntime")
    for name in ("onnx", "onnxscript"):  # what torch's exporter needs
        _required(name)
    program = _Program(ranker).float()
    dynamic = torch.export.Dim.DYNAMIC  # torch names axes once, and warns of the second time
    with _without_torchs_own_warnings():
        traced = _traced(program).run_decompositions({_SEARCHSORTED: _searchsorted})
        converted: Any = torch.onnx.export(
            traced,
            input_names=_NAMES,
            output_names=("scores",),
            dynamic_shapes={**_axes(), "mask": {0: dynamic, 1: dynamic}},
            dynamo=True,
            verbose=False,
        )
    converted.model.metadata_props["columns"] = _columns(ranker)
    model = converted.model_proto
    words = _words(ranker)
    if words:
        take_words(model, words, TableTransform.gap_texts)
    content: bytes = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    _check(program, session, words)
    write_file(path, content)


class _Program(nn.Module):
    """A copy of a ranker with the signature of an export."""

    def __init__(self, ranker: Ranker) -> None:
        super().__init__()
        if not isinstance(ranker, Ranker):
            raise TypeError(f"`ranker` must be a Ranker, got {type(ranker).__name__}")
        self.ranker = copy.deepcopy(ranker).cpu()
        self.eval()

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        scores: Tensor = self.ranker(features, mask)
        return scores.float()


def _axes() -> dict[str, dict[int, Any]]:
    batch, length = torch.export.Dim("batch"), torch.export.Dim("list")
    return {name: {0: batch, 1: length} for name in _NAMES}


def _traced(program: _Program) -> "torch.export.ExportedProgram":
    return torch.export.export(
        program, _example(program, batch=2, length=3, seed=0), dynamic_shapes=_axes()
    )


def _example(program: _Program, *, batch: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return features, with gaps where they are filled and codes of words, and a mask."""
    ranker, generator = program.ranker, torch.Generator().manual_seed(seed)
    features = torch.rand(batch, length, len(ranker.columns), generator=generator)
    for position, own in _words(ranker).items():
        features[..., position] = (features[..., position] * (len(own) + 1)).floor()
    if ranker.transform is not None and ranker.transform.fills_gaps:
        features[torch.rand(features.shape, generator=generator) < 0.2] = torch.nan
    mask = torch.rand(batch, length, generator=generator) < 0.8
    mask[:, 0] = True
    return features, mask


def _check(program: _Program, session: Any, words: Mapping[int, Sequence[str]]) -> None:
    for seed, (batch, length) in enumerate([(1, 1), (3, 7), (2, 50)]):
        features, mask = _example(program, batch=batch, length=length, seed=seed)
        with torch.no_grad():
            expected = program(features, mask)[..., mask]
        inputs = {"features": features.numpy(), "mask": mask.numpy()}
        if words:
            inputs["features"] = np.delete(inputs["features"], [*words], axis=-1)
            texts = [_texts(features[..., at].tolist(), own) for at, own in words.items()]
            inputs["words"] = np.stack(texts, axis=-1)
        found = torch.from_numpy(session.run(None, inputs)[0])[..., mask]
        if not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
            raise RuntimeError(
                f"onnxruntime gives other scores on {batch} lists of {length} documents: they "
                f"differ by up to {float((found - expected).abs().max()):.3g}"
            )


def _texts(codes: list[list[float]], words: Sequence[str]) -> NDArray[np.object_]:
    """Return the texts that have some codes."""
    longest = max(words, key=len, default="")
    known = [*words, f"{longest} and none of them"]
    texts = [["" if code != code else known[int(code)] for code in row] for row in codes]
    return np.array(texts, dtype=object)


def _words(ranker: Ranker) -> dict[int, tuple[str, ...]]:
    """Return the words of columns by their position among the inputs."""
    if not isinstance(ranker.transform, TableTransform):
        return {}
    place = {number: position for position, number in enumerate(ranker.feature_ids)}
    return {place[number]: own for number, own in ranker.transform.words.items()}


@contextmanager
def _without_torchs_own_warnings() -> Iterator[None]:
    """Drop the exporter's warnings of its own code and of torchvision, which no ranker needs."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("torchvision is not installed")

    logger = logging.getLogger(ONNX_LOGGER)
    logger.addFilter(is_wanted)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            yield
    finally:
        logger.removeFilter(is_wanted)


def _columns(ranker: Ranker) -> str:
    columns = {name: getattr(ranker, name) for name in ("feature_ids", "feature_names", "tasks")}
    if isinstance(ranker.transform, TableTransform):
        columns |= {"kinds": ranker.transform.kinds, "words": ranker.transform.words}
    return json.dumps(columns)


def _required(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f'`export_onnx` needs {name}: pip install "mtl2r-models[onnx]"'
        raise ImportError(message) from error


_SEARCHSORTED = torch.ops.aten.searchsorted.Tensor


def _searchsorted(
    sorted_sequence: Tensor, values: Tensor, *, right: bool = False, **_: object
) -> Tensor:
    """Compute `torch.searchsorted` by a bisection of gathers: ONNX has no such operator."""
    last = sorted_sequence.shape[-1] - 1
    low = torch.zeros_like(values, dtype=torch.int64)
    high = low + last + 1
    for _step in range((last + 1).bit_length()):
        middle = (low + high) // 2
        at = sorted_sequence.gather(-1, middle.clamp(max=last))
        before = ((at <= values) if right else (at < values)) & (low < high)
        low, high = torch.where(before, middle + 1, low), torch.where(before, high, middle)
    return low
