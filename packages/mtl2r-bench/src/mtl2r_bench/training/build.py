"""From a config's names and options to methods, losses and networks; what does not fit is said."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

import mtl_optim
from mtl2r_models import Network, PreferenceConditioned

from ..config import GBDTConfig, LossConfig, MethodConfig, ModelConfig, validate
from ..evaluation.tree_ranker import require_lightgbm
from ..table import LOSSES, METHODS, TREES, Method, did_you_mean, lookup


def takes_preference(name: str) -> bool:
    """Whether a study trains a method once per preference vector.

    Raises:
        ValueError: For an unknown name, with the nearest known one.
    """
    given = {code: entry.takes_preference for code, entry in METHODS.items()}
    return lookup({**given, **dict.fromkeys(TREES, True)}, name, "method")


def check_method(config: MethodConfig, tasks: tuple[str, ...]) -> None:
    """Says what is wrong with a run's method before anything is trained.

    Raises:
        ValueError: For an unknown name or option, a missing option, or a preference given or
            missing against the method's nature.
        ImportError: For trees without ``pip install "mtl2r-bench[gbdt]"``.
    """
    if config.name not in TREES:
        build_method(config, tasks)
        return
    if config.preference is None:
        raise ValueError(f"method {config.name!r} needs a `preference`")
    validate(GBDTConfig, config.options, f"method {config.name!r}")
    require_lightgbm()


def build_method(config: MethodConfig, tasks: tuple[str, ...], seed: int = 0) -> Method:
    """The method a run's config describes; ``stl`` is linear scalarisation of its one loss.

    Args:
        config: Name, preference and options.
        tasks: Names of the tasks.
        seed: Of the methods that draw random numbers.

    Raises:
        ValueError: For an unknown name or option, a missing option, or a preference given or
            missing against the method's nature.
    """
    if config.name == "stl":
        return mtl_optim.LinearScalarization((1.0,))
    entry = lookup(METHODS, config.name, "method")
    if entry.takes_preference and config.preference is None:
        raise ValueError(f"method {config.name!r} needs a `preference`")
    derived = entry.takes_bounds and config.rule is not None
    if not (entry.takes_preference or derived) and config.preference is not None:
        raise ValueError(f"method {config.name!r} takes no `preference`")
    given = {
        "preference": config.preference,
        "num_tasks": len(tasks),
        "tasks": tasks,
        "generator": torch.Generator().manual_seed(seed),
    }
    options = {**entry.options, **config.options}
    _check_options(entry.factory, options, f"method {config.name!r}")
    wanted = inspect.signature(entry.factory).parameters
    return entry.factory(**{k: v for k, v in given.items() if k in wanted}, **options)


def build_loss(config: LossConfig) -> Callable[..., Tensor]:
    """``loss(scores, labels, mask=..., reduction=...)`` with the config's options filled in.

    Raises:
        ValueError: For an unknown name or option.
    """
    function = lookup(LOSSES, config.name, "loss")
    _check_options(function, config.options, f"loss {config.name!r}")
    return functools.partial(function, **config.options)


def build_model(
    config: ModelConfig, num_features: int, num_tasks: int, generator: torch.Generator
) -> Network:
    """The network of a config, its weights drawn from the generator."""
    options = config.model_dump(exclude={"architecture", "head"})
    return config.network(
        num_features,
        num_tasks=num_tasks if config.head == "per_task" else None,
        generator=generator,
        **options,
    )


def conditioned(
    model: Network, method: MethodConfig, num_tasks: int, generator: torch.Generator
) -> PreferenceConditioned:
    """A network like this one, conditioned on the preference as the method's options say."""
    trunk = model.config()
    num_features, scores = trunk.pop("num_features"), trunk.pop("num_tasks")
    return PreferenceConditioned(
        num_features,
        trunk={"architecture": type(model).__name__, **trunk},
        preferences=num_tasks,
        num_tasks=scores,
        generator=generator,
        **{name: method.options[name] for name in ("code", "rank") if name in method.options},
    )


_GIVEN = {
    *("scores", "labels", "mask", "weights", "reduction"),
    *("preference", "num_tasks", "tasks", "generator"),
}
"""Arguments that the trainer fills in."""


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
