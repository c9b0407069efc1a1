"""Navigations on disk: a folder with manifest.json and one safetensors file per point.

A point's file is named by its contents and never changes; the manifest is written last, beside its
place, and renamed. A kill or a full disk therefore leaves the older state or none.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ._points import Cost, Point
from .objective import Objective
from .tree import Tree
from .wishes import Names

FORMAT = "mtl-optim-navigation"
VERSION = 1
MANIFEST = "manifest.json"

_MOST = 4  # differences in a message


@dataclass(frozen=True, eq=False)
class Saved:
    """A navigation as it lies on disk: its points, and their parameters by name, by number."""

    folder: Path
    points: dict[int, Point]
    current: int
    scales: Tensor
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    parameters: dict[int, dict[str, Tensor]]


def save(folder: str | Path, tree: Tree, objective: Objective, names: Names) -> None:
    """Write a navigation, or bring one up to date."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, found a file")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder}: holds something other than a navigation: no {MANIFEST}")
    digests = {p.id: hashlib.sha256(_content(tree, objective, p)).hexdigest() for p in tree.points}
    if (folder / MANIFEST).is_file():
        held = {entry.get("sha256") for entry in _read_manifest(folder).get("points", [])}
        if held.isdisjoint(digests.values()):
            raise ValueError(f"{folder}: holds another navigation, with no point of this one")
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for point in tree.points:
        digest = digests[point.id]
        file = folder / f"{digest[:16]}.safetensors"
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            _write(file, _content(tree, objective, point))
        listed.append({**_plain(point), "file": file.name, "sha256": digest})
    manifest = {
        "format": FORMAT,
        "format_version": VERSION,
        "tasks": list(names.tasks),
        "metrics": list(names.metrics),
        "scales": objective.scales.tolist(),
        "current": tree.current.id,
        "points": listed,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    _write(folder / MANIFEST, text.encode())
    kept = {entry["file"] for entry in listed}
    for file in folder.glob("*.safetensors"):
        if file.name not in kept:
            file.unlink()


def _content(tree: Tree, objective: Objective, point: Point) -> bytes:
    """Return the content of a point's file."""
    parameters = objective.as_named(tree.theta(point))
    tensors = {name: tensor.contiguous().cpu() for name, tensor in parameters.items()}
    content: bytes = _safetensors()[1](tensors)
    return content


def load(folder: str | Path) -> Saved:
    """Read a navigation; nothing in it is executed."""
    read_tensors, _ = _safetensors()
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"{folder}: expected a saved navigation, found no {MANIFEST}")
    manifest = _read_manifest(folder)
    points, parameters = {}, {}
    try:
        tasks, metrics = tuple(manifest["tasks"]), tuple(manifest["metrics"])
        for entry in manifest["points"]:
            point = _point(entry, tasks, metrics)
            points[point.id] = point
            parameters[point.id] = read_tensors(_checked(folder / entry["file"], entry["sha256"]))
        scales = torch.tensor(manifest["scales"], dtype=torch.float64)
        current = manifest["current"]
        whole = current in points and all(
            p.parent is None or p.parent in points for p in points.values()
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / MANIFEST}: incomplete or damaged ({error!r})") from error
    if not whole or scales.shape != (len(tasks),) or not bool((scales > 0).all()):
        raise ValueError(f"{folder / MANIFEST}: incomplete or damaged")
    return Saved(folder, points, current, scales, tasks, metrics, parameters)


def restore(saved: Saved, names: Names, objective: Objective, tree: Tree) -> None:
    """Restore a saved navigation, and the current point's parameters in the model.

    Raises:
        ValueError: It is of other names, another model, or other losses; the model stays as it was.
    """
    for what, found, wanted in (
        ("tasks", saved.tasks, names.tasks),
        ("metrics", saved.metrics, names.metrics),
    ):
        if found != wanted:
            raise ValueError(
                f"{saved.folder / MANIFEST}: {what} {list(found)}, expected {list(wanted)}"
            )
    for point in saved.points.values():
        tree.add(point, _as_theta(saved, point.id, objective))
    tree.goto(saved.points[saved.current])
    objective.scales = saved.scales
    with objective.unless_done(objective.read()):
        _check_losses(saved, objective.losses(tree.theta(tree.current)).means * saved.scales)


def _check_losses(saved: Saved, found: Tensor) -> None:
    """Raise unless the losses equal those that were saved, up to the rounding of other machines."""
    stored = saved.points[saved.current].losses
    wrong = [
        f"{name} is {float(now):.6g}, saved as {float(then):.6g}"
        for name, now, then in zip(saved.tasks, found, stored, strict=True)
        if not bool(torch.isclose(now, then, rtol=1e-3, atol=1e-6))
    ]
    if wrong:
        raise ValueError(
            f"{saved.folder}: the losses at point {saved.current} differ: the data, the losses or "
            f"the frozen part of the model have changed: {'; '.join(wrong[:_MOST])}"
        )


def _as_theta(saved: Saved, number: int, objective: Objective) -> Tensor:
    """Return θ (param,) of a point, for the parameters of a model."""
    found, wrong = saved.parameters[number], []
    wrong += [f"{name} is missing" for name in objective.named if name not in found]
    wrong += [f"{name} is not expected" for name in found if name not in objective.named]
    for name, parameter in objective.named.items():
        tensor = found.get(name, parameter)
        if tensor.shape != parameter.shape:
            wrong.append(f"{name} is {tuple(tensor.shape)}, expected {tuple(parameter.shape)}")
        elif tensor.dtype != parameter.dtype:
            wrong.append(f"{name} is {tensor.dtype}, expected {parameter.dtype}")
    if wrong:
        more = f" and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise ValueError(
            f"{saved.folder}: point {number} is of another model: {'; '.join(wrong[:_MOST])}{more}"
        )
    return objective.flat([found[name] for name in objective.named])


def _plain(point: Point) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in fields(Point):
        value = getattr(point, field.name)
        if field.name in ("tasks", "metric_names"):
            continue
        if isinstance(value, Tensor):
            value = [None if x != x else x for x in value.tolist()]
        elif isinstance(value, Cost):
            value = dict(value.__dict__)
        plain[field.name] = value
    return plain


def _point(entry: Mapping[str, Any], tasks: tuple[str, ...], metrics: tuple[str, ...]) -> Point:
    values: dict[str, Any] = {"tasks": tasks, "metric_names": metrics}
    for field in fields(Point):
        if field.name in values:
            continue
        value = entry[field.name]
        if field.name == "cost":
            value = Cost(**value)
        elif isinstance(value, list):
            numbers = [float("nan") if x is None else x for x in value]
            value = torch.tensor(numbers, dtype=torch.float64)
        values[field.name] = value
    return Point(**values)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ValueError(f"{path}: expected the format {FORMAT!r}, found {found!r}")
    if manifest.get("format_version") != VERSION:
        raise ValueError(
            f"{path}: written by another version: expected format_version {VERSION}, "
            f"found {manifest.get('format_version')!r}"
        )
    return manifest


def _checked(path: Path, digest: str) -> bytes:
    if path.parent / path.name != path or not path.is_file():
        raise FileNotFoundError(f"{path}: missing")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"{path}: damaged, its SHA-256 is {found}, {MANIFEST} says {digest}")
    return content


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place, then rename it: a kill leaves the older file or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _safetensors() -> tuple[Any, Any]:
    try:
        from safetensors.torch import load as read_tensors
        from safetensors.torch import save as write_tensors
    except ImportError as error:
        raise ImportError(
            "saved navigations need safetensors: pip install mtl-optim[navigate]"
        ) from error
    return read_tensors, write_tensors
