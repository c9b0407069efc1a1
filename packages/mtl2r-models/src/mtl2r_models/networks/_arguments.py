"""An architecture's arguments, read from the signature and the docstring of its constructor."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from ..checks import check_arguments, check_choice, check_sizes

if TYPE_CHECKING:
    from ._network import Network
    from ._scorer import Scorer

_GIVEN = ("num_features", "num_tasks", "words", "generator")
"""What the data and the training give, which is no option of an architecture."""


@dataclass(frozen=True)
class Argument:
    """An option of an architecture.

    Attributes:
        annotation: Its type.
        default: What it is where it is not given.
        help: What the docstring says of it, on one line.
    """

    annotation: Any
    default: Any
    help: str

    def check(self, name: str, value: object) -> None:
        """Raise for a size below 1 or an unknown choice; layers check the other types.

        Raises:
            ValueError: For a value out of range.
            TypeError: For a size that is no int.
        """
        if self.annotation is int:
            check_sizes(**{name: value})  # type: ignore[arg-type]
        elif get_origin(self.annotation) is Literal:
            check_choice(name, value, get_args(self.annotation))


@functools.cache
def arguments(architecture: "type[Network]") -> Mapping[str, Argument]:
    """Return the options of an architecture: its own in their order, then those of all networks.

    `num_features`, `num_tasks` and `generator` are left out: the data and the training give them.

    Examples:
        >>> from mtl2r_models import MLPScorer
        >>> for name, argument in arguments(MLPScorer).items():
        ...     print(f"{name}={argument.default!r}: {argument.help}")
        hidden=(512, 256, 128): Widths of the hidden layers.
        dropout=0.3: Dropout probability behind each of them.
        feature_layers=(): Layers before the network's first, see `mtl2r_models.feature_layers`.
        members=1: Members of an ensemble that share the network, see `mtl2r_models.layers.Members`.
        experts=None: Options of a `mtl2r_models.layers.MixtureOfExperts`; None for a linear score.
    """
    texts = _descriptions(architecture)
    return MappingProxyType(
        {
            name: Argument(parameter.annotation, parameter.default, texts.get(name, ""))
            for name, parameter in _parameters(architecture).items()
            if name not in _GIVEN
        }
    )


def keeping_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that keeps its arguments for `config`, and draws the weights at its end.

    `Scorer` does this to the constructor of every subclass. A constructor that a subclass's
    constructor calls runs as it is.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def construct(self: "Scorer", *args: Any, **kwargs: Any) -> None:
        if type(self).__init__ is not construct:
            init(self, *args, **kwargs)
            return
        bound = signature.bind(self, *args, **kwargs)
        parameters = _parameters(type(self))
        known = [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
        check_arguments(type(self).__name__, bound.kwargs, known)
        given = {**bound.arguments, **bound.kwargs}
        values = {name: given.get(name, p.default) for name, p in parameters.items()}
        generator = values.pop("generator")
        self._config = {name: _copied(value) for name, value in values.items()}
        init(self, *args, **kwargs)
        self._complete()
        self.reset_parameters(generator)

    return construct


@functools.cache
def _parameters(kind: "type[Scorer]") -> Mapping[str, inspect.Parameter]:
    """Return a constructor's parameters, with those of its base in place of ``**options``."""
    found: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *own = inspect.signature(vars(base)["__init__"], eval_str=True).parameters.values()
        named = [p for p in own if p.kind is not p.VAR_KEYWORD]
        found = {**found, **{p.name: p for p in named if p.name not in found}}
        if len(named) == len(own):
            break
    return found


def _descriptions(kind: type) -> dict[str, str]:
    """Return the entries of the sections ``Args:`` in the docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        text = inspect.cleandoc(base.__doc__ or "")
        section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
        for entry in re.findall(
            r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.M
        ):
            found.setdefault(entry[0], " ".join(entry[1].split()))
    return found


def _copied(value: Any) -> Any:
    """Return a copy, with lists for sequences, as JSON gives them back."""
    if isinstance(value, Mapping):
        return {name: _copied(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_copied(inner) for inner in value]
    return value
