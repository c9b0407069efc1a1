"""Build methods, losses and networks from the names and options of a config."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtl2r_models import PreferenceConditioned, Scorer

from ..config import LossConfig, MethodConfig, RunConfig
from ..table import LOSSES, METHODS, Method, did_you_mean, lookup


def build_method(config: MethodConfig, tasks: tuple[str, ...], seed: int = 0) -> Method:
    """Build the method that a run's config describes; raise ValueError if the config is invalid."""
    row = lookup(METHODS, config.name, "method")
    if row.factory is None:
        raise ValueError(f"method {config.name!r} trains no network")
    if row.takes_preference and config.preference is None:
        raise ValueError(f"method {config.name!r} needs a `preference`")
    derived = row.takes_bounds and config.rule is not None
    if not (row.takes_preference or derived) and config.preference is not None:
        raise ValueError(f"method {config.name!r} takes no `preference`")
    given = {
        "preference": config.preference,
        "num_tasks": len(tasks),
        "tasks": tasks,
        "generator": torch.Generator().manual_seed(seed),
    }
    options = {**row.options, **config.options}
    _check_options(row.factory, options, f"method {config.name!r}")
    wanted = inspect.signature(row.factory).parameters
    return row.factory(**{k: v for k, v in given.items() if k in wanted}, **options)


def build_loss(config: LossConfig) -> Callable[..., Tensor]:
    """Build ``loss(scores, labels, mask=..., reduction=...)`` with the config's options bound."""
    function = lookup(LOSSES, config.name, "loss").function
    _check_options(function, config.options, f"loss {config.name!r}")
    return functools.partial(function, **config.options)


def build_model(
    config: RunConfig,
    num_features: int,
    num_tasks: int,
    generator: torch.Generator,
    words: Sequence[int] = (),
) -> Scorer:
    """Build the network of a run, conditioned on the preference if the method draws preferences."""
    method = config.method
    network = config.model.build(num_features, num_tasks, generator, words)
    if not lookup(METHODS, method.name, "method").draws_preferences:
        return network
    trunk = network.config()
    num_features, scores = trunk.pop("num_features"), trunk.pop("num_tasks")
    return PreferenceConditioned(
        num_features,
        trunk={"architecture": type(network).__name__, **trunk},
        preferences=num_tasks,
        num_tasks=scores,
        generator=generator,
        **{name: method.options[name] for name in ("code", "rank") if name in method.options},
    )


def provisional(method: MethodConfig, tasks: Sequence[str]) -> MethodConfig:
    """Return a method that can be built before its baselines exist: derived bounds are 1."""
    if method.rule != "payoff" or "bounds" in method.options:
        return method
    bounds = dict.fromkeys(tasks[1:], 1.0)
    return method.model_copy(update={"options": {**method.options, "bounds": bounds}})


_GIVEN = {
    *("scores", "labels", "mask", "weights", "reduction"),
    *("preference", "num_tasks", "tasks", "generator"),
}
"""Arguments that are not options, since the training passes them itself."""


def _check_options(function: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    named = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and name not in _GIVEN
    }
    for name in options:
        if name not in named:
            known = list(named) or ["(none)"]
            raise ValueError(f"unknown option {name!r} of {what}; {did_you_mean(name, known)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in options:
            raise ValueError(f"{what} needs the option `{name}`")
