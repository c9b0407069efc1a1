"""The config of a network: its fields are the arguments of the network's constructor.

Types and defaults are read from the constructor, and values are checked by it: a config builds the
network without memory for its weights. An architecture of `mtl2r_models` is thus a config as it is.
"""

import functools
import inspect
import operator
from collections.abc import Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeAlias,
    get_args,
    get_origin,
)

import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

import mtl2r_models
from mtl2r_models import Network, arguments
from mtl2r_models.layers import MixtureOfExperts

_FEATURES, _TASKS = 8, 2  # of the network that checks a config: neither is in it


class Config(BaseModel):
    """Tables whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _frozen(hint: Any) -> Any:
    """Return the type with tuples for sequences, which can be compared."""
    if get_origin(hint) is not Sequence:
        return hint
    return tuple[get_args(hint)[0], ...]  # type: ignore[misc]  # made at run time


_EXPERTS: dict[str, Any] = {
    name: (parameter.annotation, parameter.default)
    for name, parameter in inspect.signature(MixtureOfExperts, eval_str=True).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
}

ExpertsConfig = create_model("ExpertsConfig", __base__=Config, __module__=__name__, **_EXPERTS)
"""Experts that each task mixes in its own way: see `mtl2r_models.layers.MixtureOfExperts`."""


class NetworkConfig(Config):
    """What the configs of all networks have, beside the arguments of their own.

    Attributes:
        network: The class, whose constructor takes the config's fields.
        feature_layers: What stands before the first layer, each a table with a ``kind`` and its
            options; see `mtl2r_models.feature_layers`.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    network: ClassVar[type[Network]]

    feature_layers: tuple[Mapping[str, Any], ...]
    members: int
    experts: ExpertsConfig | None = None  # type: ignore[valid-type]  # a model made above
    head: Literal["shared", "per_task"] = "shared"

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.experts is not None and self.head != "per_task":
            raise ValueError(f"`experts` need `head` = 'per_task', got {self.head!r}")
        with torch.device("meta"):
            try:
                self.build(_FEATURES, _TASKS)
            except TypeError as error:
                raise ValueError(str(error)) from error
        return self

    @model_serializer(mode="wrap")
    def _own_fields_first(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values = dump(self)
        return {name: values[name] for name in _own_first(type(self)) if name in values}

    def build(
        self,
        num_features: int,
        num_tasks: int,
        generator: torch.Generator | None = None,
        words: Sequence[int] = (),
    ) -> Network:
        """Build the network, its weights drawn from the generator.

        The last inputs are codes of words; `words` has their numbers.

        Raises:
            ValueError: A value is out of its range.
        """
        return self.network(
            num_features,
            num_tasks=num_tasks if self.head == "per_task" else None,
            generator=generator,
            words=tuple(words),
            **self.model_dump(exclude={"architecture", "head"}),
        )

    @property
    def label(self) -> str:
        """What tells it from others: the architecture, and what differs from its defaults.

        Examples:
            >>> mlp = ARCHITECTURES["mlp"]
            >>> mlp(hidden=(64, 32), dropout=0.1).label
            'mlp, hidden=64x32, dropout=0.1'
            >>> mlp(feature_layers=({"kind": "noise", "sigma": 0.1}, {"kind": "cross"})).label
            'mlp, feature_layers=noise(sigma=0.1)+cross'
        """
        fields = type(self).model_fields
        parts = [str(fields["architecture"].default)]
        for name in _own_first(type(self)):
            value = getattr(self, name)
            if name == "architecture" or value == fields[name].default:
                continue
            if name == "hidden" and isinstance(value, tuple):
                value = "x".join(map(str, value))
            elif name == "feature_layers":
                value = "+".join(map(_layer, value))
            parts.append(f"{name}={value}")
        return ", ".join(parts)


def _layer(config: Mapping[str, Any]) -> str:
    """Describe a feature layer in a label: its kind, and its options if any."""
    options = " ".join(f"{key}={value}" for key, value in config.items() if key != "kind")
    return f"{config['kind']}({options})" if options else str(config["kind"])


def _own_first(kind: type[NetworkConfig]) -> list[str]:
    """Return the names of the fields, an architecture's own first, as labels have them."""
    return sorted(kind.model_fields, key=NetworkConfig.model_fields.__contains__)


def _config_of(name: str, network: type[Network]) -> type[NetworkConfig]:
    """Make the config of an architecture."""
    fields: dict[str, Any] = {"architecture": (Literal[name], name)}
    fields |= {
        option: (_frozen(argument.annotation), Field(argument.default, description=argument.help))
        for option, argument in arguments(network).items()
    }
    del fields["experts"]  # a config of its own
    made = create_model(
        f"{network.__name__}Config",
        __base__=NetworkConfig,
        __module__=__name__,
        __doc__=f"The arguments of `mtl2r_models.{network.__name__}`.",
        **fields,
    )
    made.network = network
    return made


ARCHITECTURES: Mapping[str, type[NetworkConfig]] = {
    name: _config_of(name, network) for name, network in mtl2r_models.ARCHITECTURES.items()
}
"""The configs of `ModelConfig` by the names of their architectures."""

globals().update({kind.__name__: kind for kind in ARCHITECTURES.values()})  # pickle looks here


def _with_architecture(value: Any) -> Any:
    return {"architecture": "transformer", **value} if isinstance(value, dict) else value


def default_model() -> NetworkConfig:
    """Return the WEB30K study's transformer (810,497 parameters)."""
    return ARCHITECTURES["transformer"].model_validate({})


if TYPE_CHECKING:
    ModelConfig: TypeAlias = NetworkConfig
else:
    ModelConfig = Annotated[
        functools.reduce(operator.or_, ARCHITECTURES.values()),
        Field(discriminator="architecture"),
        BeforeValidator(_with_architecture),
    ]
"""One of the architectures, the transformer where none is named."""
