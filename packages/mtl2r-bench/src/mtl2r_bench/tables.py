"""The names a config may use, and what they stand for.

One row a method, a loss, a metric. The leaf packages know nothing of these names. A test fails when
a public method or loss of theirs is in no table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

import ltr_losses
import mtl_optim
from mtl_optim import GramianWeighting, JacobianAggregator, LossWeighting

from .config import LossConfig, MethodConfig, did_you_mean

__all__ = [
    "LOSSES",
    "METHODS",
    "METRICS",
    "Method",
    "MethodEntry",
    "build_loss",
    "build_method",
    "lookup",
    "summary",
]

T = TypeVar("T")

Method: TypeAlias = LossWeighting | GramianWeighting | JacobianAggregator


@dataclass(frozen=True)
class MethodEntry:
    """A multi-task method under its code name.

    Attributes:
        factory: The class.
        takes_preference: Whether a preference vector is its first argument. A study trains it once
            per vector; a method without is trained once per seed.
    """

    factory: Callable[..., Method]
    takes_preference: bool


METHODS: Mapping[str, MethodEntry] = {
    "ls": MethodEntry(mtl_optim.LinearScalarization, takes_preference=True),
    "wc": MethodEntry(mtl_optim.WeightedChebyshev, takes_preference=True),
    "scaleinvls": MethodEntry(mtl_optim.ScaleInvariantScalarization, takes_preference=True),
    "soft_wc": MethodEntry(mtl_optim.SmoothChebyshev, takes_preference=True),
    "epo": MethodEntry(mtl_optim.EPO, takes_preference=True),
    "wc_mgda": MethodEntry(mtl_optim.WCMGDA, takes_preference=True),
    "rlw": MethodEntry(mtl_optim.RandomLossWeighting, takes_preference=False),
    "mgda": MethodEntry(mtl_optim.MGDA, takes_preference=False),
    "pcgrad": MethodEntry(mtl_optim.PCGrad, takes_preference=False),
    "graddrop": MethodEntry(mtl_optim.GradDrop, takes_preference=False),
    "cagrad": MethodEntry(mtl_optim.CAGrad, takes_preference=False),
    "imtl": MethodEntry(mtl_optim.IMTLG, takes_preference=False),
    "nashmtl": MethodEntry(mtl_optim.NashMTL, takes_preference=False),
}
"""Code names are those of DeepMTL2R. ``stl`` (a single task) is no method but a run of one loss."""

LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "mse": ltr_losses.mse_loss,
    "bce": ltr_losses.bce_loss,
    "ordinal": ltr_losses.ordinal_loss,
    "ranknet": ltr_losses.ranknet_loss,
    "pairwise_hinge": ltr_losses.pairwise_hinge_loss,
    "pairwise_mse": ltr_losses.pairwise_mse_loss,
    "pairwise_quantile": ltr_losses.pairwise_quantile_loss,
    "lambda": ltr_losses.lambda_loss,
    "listnet": ltr_losses.listnet_loss,
    "binary_listnet": ltr_losses.binary_listnet_loss,
    "listmle": ltr_losses.listmle_loss,
    "p_listmle": ltr_losses.p_listmle_loss,
    "softmax": ltr_losses.softmax_loss,
    "unique_softmax": ltr_losses.unique_softmax_loss,
    "poly1_softmax": ltr_losses.poly1_softmax_loss,
    "approx_ndcg": ltr_losses.approx_ndcg_loss,
    "approx_mrr": ltr_losses.approx_mrr_loss,
    "neural_ndcg": ltr_losses.neural_ndcg_loss,
}

METRICS: Mapping[str, Callable[..., Tensor]] = {
    "ndcg": ltr_losses.ndcg,
    "dcg": ltr_losses.dcg,
    "mrr": ltr_losses.mrr,
    "average_precision": ltr_losses.average_precision,
    "precision": ltr_losses.precision,
    "recall": ltr_losses.recall,
    "hit_rate": ltr_losses.hit_rate,
    "err": ltr_losses.err,
    "rbp": ltr_losses.rbp,
    "arp": ltr_losses.arp,
}


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry of a table.

    Raises:
        ValueError: For an unknown name, with the nearest known one.
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; {did_you_mean(name, list(table))}")
    return table[name]


def build_method(config: MethodConfig, seed: int = 0) -> Method:
    """The method a run's config describes; ``stl`` is linear scalarisation of its one loss.

    Args:
        config: Name, preference and options.
        seed: Of the methods that draw random numbers.

    Raises:
        ValueError: For an unknown name or option, or a preference given or missing against the
            method's nature.
    """
    if config.name == "stl":
        return mtl_optim.LinearScalarization((1.0,))
    entry = lookup(METHODS, config.name, "method")
    if entry.takes_preference and config.preference is None:
        raise ValueError(f"method {config.name!r} needs a `preference`")
    if not entry.takes_preference and config.preference is not None:
        raise ValueError(f"method {config.name!r} takes no `preference`")
    first = (config.preference,) if entry.takes_preference else ()
    _check_options(entry.factory, config.options, f"method {config.name!r}")
    options = dict(config.options)
    if "generator" in inspect.signature(entry.factory).parameters:
        options["generator"] = torch.Generator().manual_seed(seed)
    return entry.factory(*first, **options)


def build_loss(config: LossConfig) -> Callable[..., Tensor]:
    """``loss(scores, labels, mask=...) -> (task,)`` with the config's options filled in.

    Raises:
        ValueError: For an unknown name or option.
    """
    function = lookup(LOSSES, config.name, "loss")
    _check_options(function, config.options, f"loss {config.name!r}")

    def loss(scores: Tensor, labels: Tensor, *, mask: Tensor) -> Tensor:
        return function(scores, labels, mask=mask, **config.options)

    return loss


def summary(item: Callable[..., Any]) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(item) or "").partition("\n")[0]


_GIVEN = {"scores", "labels", "mask", "weights", "reduction", "preference", "generator"}
"""Arguments that the trainer fills in."""


def _check_options(function: Callable[..., Any], options: dict[str, Any], what: str) -> None:
    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name not in _GIVEN
    ]
    for name in options:
        if name not in known:
            raise ValueError(f"unknown option {name!r} of {what}; {did_you_mean(name, known)}")
