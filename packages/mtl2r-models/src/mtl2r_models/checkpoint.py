"""Rankers on disk: a folder with config.json and model.safetensors.

config.json names the architecture and its arguments, the feature transform, the input columns, the
tasks, and the checksum of the weights; model.safetensors holds the parameters (``model.*``) and the
transform's statistics (``transform.*``). Loading one never runs code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ltr_data import FeatureTransform, atomic_folder, atomic_write, recover_folder

from .mlp import MLPScorer
from .scorer import Scorer
from .transformer import ListTransformer

__all__ = ["ARCHITECTURES", "FORMAT", "FORMAT_VERSION", "load", "load_state", "save"]

FORMAT = "mtl2r-ranker"
FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"

ARCHITECTURES: Mapping[str, type[Scorer]] = {
    kind.__name__: kind for kind in (ListTransformer, MLPScorer)
}


def save(
    folder: str | Path,
    *,
    model: nn.Module,
    transform: FeatureTransform | None,
    state: Mapping[str, Tensor],
    description: Mapping[str, Any],
) -> None:
    """Writes a ranker's folder, whole or not at all; an older one is replaced.

    Args:
        folder: Where to.
        model: One of `ARCHITECTURES`.
        transform: The feature transform, or None.
        state: The tensors, named ``model.*`` and ``transform.*``.
        description: What else goes into config.json.

    Raises:
        TypeError: For an architecture that no table lists.
    """
    weights = save_tensors({name: tensor.contiguous().cpu() for name, tensor in state.items()})
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "architecture": _architecture_of(model),
        "model": model.config(),  # type: ignore[operator]  # every architecture has one
        "transform": None if transform is None else transform.config(),
        **description,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    with atomic_folder(folder) as fresh:
        with atomic_write(fresh / WEIGHTS) as file:
            file.write(weights)
        with atomic_write(fresh / CONFIG) as file:
            file.write(text.encode())


def load(
    folder: str | Path,
) -> tuple[Scorer, FeatureTransform | None, dict[str, Any], dict[str, Tensor]]:
    """Reads a ranker's folder.

    Returns:
        The model and the transform as the config describes them (not yet with their state), the
        rest of the config, and the tensors.

    Raises:
        FileNotFoundError: When the folder or one of its files is missing.
        ValueError: When it is damaged, foreign, or of a newer version.
    """
    folder = Path(folder)
    recover_folder(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: expected a ranker's folder, found no {name}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: damaged, not JSON ({error})") from error
    found = config.get("format") if isinstance(config, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder / CONFIG}: expected the format {FORMAT!r}, found {found!r}")
    if config.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{folder / CONFIG}: this version of mtl2r-models reads format version "
            f"{FORMAT_VERSION}, found {config.get('format_version')!r}"
        )
    weights = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != config.get("weights_sha256"):
        raise ValueError(
            f"{folder / WEIGHTS}: damaged, its SHA-256 is {digest}, "
            f"{CONFIG} says {config.get('weights_sha256')}"
        )
    try:
        if config["architecture"] not in ARCHITECTURES:
            raise ValueError(
                f"{folder / CONFIG}: expected one of {', '.join(ARCHITECTURES)}, "
                f"found {config['architecture']!r}"
            )
        model = ARCHITECTURES[config["architecture"]](**config["model"])
        transform = None
        if config["transform"] is not None:
            transform = FeatureTransform.from_config(config["transform"])
        description = {name: config[name] for name in ("feature_ids", "tasks", "metadata")}
        state = load_tensors(weights)
    except (KeyError, TypeError, SafetensorError) as error:
        raise ValueError(f"{folder / CONFIG}: incomplete or damaged ({error!r})") from error
    return model, transform, description, state


def load_state(module: nn.Module, state: Mapping[str, Tensor], folder: str | Path) -> None:
    """Puts tensors into a module, all of them and no others.

    Raises:
        ValueError: When names or shapes differ; the message is torch's list of differences.
    """
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise ValueError(f"{Path(folder) / WEIGHTS}: does not fit its config: {error}") from error


def _architecture_of(model: nn.Module) -> str:
    for name, kind in ARCHITECTURES.items():
        if type(model) is kind:
            return name
    raise TypeError(
        f"`model` must be one of {', '.join(ARCHITECTURES)}, got {type(model).__name__}"
    )
