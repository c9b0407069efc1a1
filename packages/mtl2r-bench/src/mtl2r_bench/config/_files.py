"""Configs from files and back, with errors that name the key."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, ValidationError

from ..table import did_you_mean
from ._method import StudyMethodConfig
from ._model import ARCHITECTURES, Config

C = TypeVar("C", bound=Config)


STUDIES: Mapping[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent.parent / "configs").glob("*.toml"))
}
"""The studies that come with the package, by name."""


def load_study(study: str | Path) -> dict[str, Any]:
    """Read the raw tables of a study's TOML file, or of a study of the package by name.

    Raises:
        FileNotFoundError: There is no such file or name.
        ValueError: The file is not TOML; the message has the file and the line.
    """
    path = Path(study)
    if not path.is_file():
        path = STUDIES.get(str(study), path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such config file; studies of the package: {', '.join(STUDIES)}"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML: {error}") from error


def validate(kind: type[C], tables: dict[str, Any], source: str = "config") -> C:
    """Build a config from raw tables.

    Raises:
        ValueError: The tables are invalid. The message has one line per mistake: the key, what was
            expected, what was found; for an unknown key, the nearest known one.
    """
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        lines = [_explain(kind, dict(item)) for item in error.errors()]
        raise ValueError(f"{source}: " + "\n".join(dict.fromkeys(lines))) from error


def to_toml(config: Config) -> str:
    """Write a config as TOML with its defaults, so that later defaults do not change it."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def differences(there: str, here: str) -> list[str]:
    r"""List the differences between two configs of `to_toml`, a text per key.

    Examples:
        >>> differences("[data]\nfold = 1", "seed = 7\n[data]\nfold = 2")
        ['data.fold = 1 there, 2 here', 'seed = 7 here alone']
    """
    left, right = (dict(_leaves(tomllib.loads(text))) for text in (there, here))
    found = []
    for key in sorted(left.keys() | right.keys()):
        if key not in right:
            found.append(f"{key} = {left[key]!r} there alone")
        elif key not in left:
            found.append(f"{key} = {right[key]!r} here alone")
        elif left[key] != right[key]:
            found.append(f"{key} = {left[key]!r} there, {right[key]!r} here")
    return found


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _explain(kind: type[BaseModel], item: dict[str, Any]) -> str:
    # pydantic puts the names of a union's members between the keys.
    location = tuple(part for part in item["loc"] if not _names_a_type(part))
    key = ".".join(str(part) for part in location)
    if item["type"] == "extra_forbidden":
        known = _fields_at(kind, item["loc"][:-1])
        return f"unknown key `{key}`; {did_you_mean(str(location[-1]), known)}"
    if item["type"] == "union_tag_invalid":
        named = item["ctx"]["tag"]
        return f"`{key}.architecture`: {named!r}; {did_you_mean(named, list(ARCHITECTURES))}"
    if item["type"] == "missing":
        return f"`{key}` is missing"
    if item["type"] == "value_error":
        return f"{item['msg'].removeprefix('Value error, ')} (in `{key}`)"
    return f"`{key}`: {item['msg']}, got {item.get('input')!r}"


def _names_a_type(part: Any) -> bool:
    return isinstance(part, str) and (
        "[" in part or part in ("int", "str", "float", StudyMethodConfig.__name__, *ARCHITECTURES)
    )


def _fields_at(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the names of the fields of the config at `location`."""
    for part in location:
        if part in ARCHITECTURES:
            kind = ARCHITECTURES[part]
        elif (field := kind.model_fields.get(str(part))) is not None:
            kind = next(_configs_in(field.annotation), kind)
    return sorted(kind.model_fields)


def _configs_in(annotation: Any) -> Iterator[type[Config]]:
    """Yield the configs in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
    for part in get_args(annotation):
        yield from _configs_in(part)
