"""Rankers on disk: a folder with config.json, model.safetensors and README.md."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ltr_data import FeatureTransform
from ltr_data.files import atomic_folder, atomic_write, recover_folder

from ..checks import nearest
from ..networks import CLASSES, PreferenceConditioned, Scorer
from ._card import model_card

if TYPE_CHECKING:
    from ._ranker import Ranker

FORMAT = "mtl2r-ranker"
FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"

SCORERS: Mapping[str, type[Scorer]] = {
    **CLASSES,
    PreferenceConditioned.__name__: PreferenceConditioned,
}
"""What can be saved, by the names of the classes."""

_MOST = 4  # differences in a message


def save(folder: str | Path, ranker: "Ranker", state: Mapping[str, Tensor]) -> None:
    """Write a ranker's folder with the tensors of `state`, see `Ranker.save`."""
    scorer = _listed(ranker.model)
    _check_free(Path(folder))
    weights = save_tensors({name: tensor.contiguous().cpu() for name, tensor in state.items()})
    config: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "architecture": type(scorer).__name__,
        "model": scorer.config(),
        "transform": None if ranker.transform is None else ranker.transform.config(),
        "feature_ids": list(ranker.feature_ids),
        "feature_names": list(ranker.feature_names),
        "tasks": list(ranker.tasks),
        "metadata": dict(ranker.metadata),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        raise TypeError(f"`metadata` must be representable in JSON: {error}") from error
    card = model_card(scorer, ranker)
    with atomic_folder(folder) as fresh:
        for name, content in ((WEIGHTS, weights), (CONFIG, text.encode()), (CARD, card.encode())):
            write_file(fresh / name, content)


def write_file(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def load(
    folder: str | Path,
) -> tuple[Scorer, FeatureTransform | None, dict[str, Any], dict[str, Tensor]]:
    """Return the model and the transform, on the meta device, the config, and the tensors."""
    folder = Path(folder)
    recover_folder(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: expected a ranker's folder, found no {name}")
    config = _read_config(folder / CONFIG)
    weights = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != config["weights_sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS}: damaged, its SHA-256 is {digest}, "
            f"{CONFIG} says {config['weights_sha256']}"
        )
    try:
        # Sizes that do not fit the weights are found before memory is taken for them.
        with torch.device("meta"):
            model = SCORERS[config["architecture"]](**config["model"])
            transform = None
            if config["transform"] is not None:
                transform = FeatureTransform.from_config(config["transform"])
        return model, transform, config, load_tensors(weights)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{folder / CONFIG}: incomplete or damaged ({error})") from error
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS}: not safetensors ({error})") from error


def load_state(module: nn.Module, state: Mapping[str, Tensor], folder: str | Path) -> None:
    """Give a module on the meta device its tensors, all of them and no others."""
    expected = module.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is not expected" for name in state if name not in expected]
    for name, wanted in expected.items():
        found = state.get(name, wanted)
        if found.shape != wanted.shape:
            wrong.append(f"{name} is {tuple(found.shape)}, expected {tuple(wanted.shape)}")
        elif found.is_floating_point() != wanted.is_floating_point():
            wrong.append(f"{name} is {found.dtype}, expected a type like {wanted.dtype}")
    if wrong:
        more = f", and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise ValueError(
            f"{Path(folder) / WEIGHTS}: does not fit its config: {'; '.join(wrong[:_MOST])}{more}"
        )
    module.load_state_dict(dict(state), strict=True, assign=True)


def _read_config(path: Path) -> dict[str, Any]:
    """Return the content of config.json; every entry has its type."""
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged, not JSON ({error})") from error
    found = config.get("format") if isinstance(config, dict) else None
    if found != FORMAT:
        raise ValueError(f"{path}: expected the format {FORMAT!r}, found {found!r}")
    version = config.get("format_version")
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise ValueError(
            f"{path}: this version of mtl2r-models reads format version {FORMAT_VERSION}, "
            f"found {version!r}{'; a newer one wrote it, upgrade' if newer else ''}"
        )
    config.setdefault("feature_names", [])
    for name, kind in _ENTRIES.items():
        if not isinstance(config.get(name), kind):
            raise ValueError(f"{path}: incomplete or damaged, found {config.get(name)!r} as {name}")
    for name, kind in {"feature_ids": int, "feature_names": str, "tasks": str}.items():
        for item in config[name]:
            if not isinstance(item, kind):
                raise ValueError(f"{path}: incomplete or damaged, found {item!r} in {name}")
    architecture = config["architecture"]
    if architecture not in SCORERS:
        raise ValueError(
            f"{path}: expected one of {', '.join(SCORERS)}, found {architecture!r}"
            f"{nearest(architecture, SCORERS)}"
        )
    return dict(config)


_ENTRIES: Mapping[str, type | tuple[type, ...]] = {
    "architecture": str,
    "model": dict,
    "transform": (dict, type(None)),
    "feature_ids": list,
    "feature_names": list,
    "tasks": list,
    "metadata": dict,
    "weights_sha256": str,
}


def _check_free(folder: Path) -> None:
    """Raise if a folder has files that are not a ranker's: they would be lost."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if others := sorted(found - {CONFIG, WEIGHTS, CARD}):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise FileExistsError(
            f"{folder}: expected a new folder or a ranker's, found {others[0]}{more} in it"
        )


def _listed(model: nn.Module) -> Scorer:
    if isinstance(model, Scorer) and type(model) in SCORERS.values():
        return model
    raise TypeError(f"`model` must be one of {', '.join(SCORERS)}, got {type(model).__name__}")
