"""The names a config may use, and what they stand for.

One row a method, a loss, a metric. The leaf packages know nothing of these names. A test fails when
a public method or loss of theirs is in no table.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from torch import Tensor

import ltr_losses
import mtl_optim
from mtl_optim import JacobianAggregator, Weighting

T = TypeVar("T")

Method: TypeAlias = Weighting | JacobianAggregator


@dataclass(frozen=True)
class MethodEntry:
    """A multi-task method under its code name.

    Attributes:
        factory: The class, or a function that builds it. Arguments of the names ``num_tasks``,
            ``tasks`` (their names) and ``generator`` are filled in.
        takes_preference: Whether a preference vector is its first argument. A study trains it once
            per vector; a method without is trained once per seed.
        takes_bounds: Whether its option ``bounds`` says which point of the front it aims at. A
            study trains it once per set of bounds, given or derived from a preference.
        aims_at_ray: Whether it brings the losses onto the ray 1/r of its preference.
        options: Arguments where the WEB30K study (DeepMTL2R) has other values than the factory's
            defaults, or the factory has none.
    """

    factory: Callable[..., Method]
    takes_preference: bool = False
    takes_bounds: bool = False
    aims_at_ray: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def _log_mgda() -> Method:
    """MGDA on the logarithms of the losses."""
    return mtl_optim.LogLosses(mtl_optim.MGDA())


def _log_cagrad(c: float) -> Method:
    """CAGrad on the logarithms of the losses."""
    return mtl_optim.LogLosses(mtl_optim.CAGrad(c=c))


def _log_imtl() -> Method:
    """IMTL-G on the logarithms of the losses."""
    return mtl_optim.LogLosses(mtl_optim.IMTLG())


def _epsilon_constraint(
    tasks: tuple[str, ...],
    *,
    bounds: Mapping[str, float],
    main: str | None = None,
    mu: float = 0.1,
    violation: Literal["absolute", "relative"] = "absolute",
    dual_step: float = 1.0,
) -> Method:
    """The epsilon-constraint method: minimise `main` while `bounds` (task to loss) hold."""
    for name in [*bounds, *([main] if main is not None else [])]:
        lookup(dict.fromkeys(tasks), name, "task")
    return mtl_optim.EpsilonConstraint(
        main=0 if main is None else tasks.index(main),
        bounds={tasks.index(name): value for name, value in bounds.items()},
        mu=mu,
        violation=violation,
        dual_step=dual_step,
    )


def _conditioned(
    preference: Sequence[float],
    *,
    mu: float = 10.0,
    average: float = 0.99,
    passes: int = 1,
    code: int = 8,
    rank: int = 1,
) -> Method:
    """One ranker for all preferences: smooth Chebyshev at a new preference every step.

    A preference a step leaves it to the noise of one batch which task a small μ trains.
    """
    for name, value in {"passes": passes, "code": code}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}")
    if rank < 0:
        raise ValueError(f"`rank` must be at least 0, got {rank}")
    return mtl_optim.SmoothChebyshev(preference, mu=mu, average=average)


CONDITIONED = "conditioned"
"""The method whose runs of all preferences are one training."""

METHODS: Mapping[str, MethodEntry] = {
    # The 21 of DeepMTL2R, under its code names. ``stl`` (a single task) is a run of one loss.
    "ls": MethodEntry(mtl_optim.LinearScalarization, takes_preference=True),
    "scaleinvls": MethodEntry(mtl_optim.ScaleInvariantScalarization, takes_preference=True),
    "wc": MethodEntry(mtl_optim.WeightedChebyshev, takes_preference=True, aims_at_ray=True),
    "soft_wc": MethodEntry(
        mtl_optim.SmoothChebyshev, takes_preference=True, aims_at_ray=True, options={"mu": 0.1}
    ),
    "epo": MethodEntry(mtl_optim.EPO, takes_preference=True, aims_at_ray=True),
    "wc_mgda": MethodEntry(mtl_optim.WCMGDA, takes_preference=True, aims_at_ray=True),
    "ec": MethodEntry(
        _epsilon_constraint, takes_bounds=True, options={"mu": 10.0, "violation": "relative"}
    ),
    "rlw": MethodEntry(mtl_optim.RandomLossWeighting),
    "uw": MethodEntry(mtl_optim.UncertaintyWeighting),
    "dwa": MethodEntry(mtl_optim.DynamicWeightAverage),
    "famo": MethodEntry(mtl_optim.FAMO),
    "mgda": MethodEntry(mtl_optim.MGDA),
    "pcgrad": MethodEntry(mtl_optim.PCGrad),
    "graddrop": MethodEntry(mtl_optim.GradDrop),
    "cagrad": MethodEntry(mtl_optim.CAGrad, options={"c": 0.4}),
    "imtl": MethodEntry(mtl_optim.IMTLG),
    "nashmtl": MethodEntry(mtl_optim.NashMTL),
    "sdmgrad": MethodEntry(mtl_optim.SDMGrad, options={"lam": 0.6}),
    "log_mgda": MethodEntry(_log_mgda),
    "log_cagrad": MethodEntry(_log_cagrad, options={"c": 0.4}),
    "log_imtl": MethodEntry(_log_imtl),
    # Beyond them.
    "mean": MethodEntry(mtl_optim.Mean),
    "sum": MethodEntry(mtl_optim.Sum),
    "pbi": MethodEntry(mtl_optim.PBI, takes_preference=True, aims_at_ray=True),
    "gls": MethodEntry(mtl_optim.GeometricLossStrategy),
    "imtl_l": MethodEntry(mtl_optim.IMTLL),
    "gradnorm": MethodEntry(mtl_optim.GradNorm),
    "gradvac": MethodEntry(mtl_optim.GradVac),
    "upgrad": MethodEntry(mtl_optim.UPGrad),
    "dualproj": MethodEntry(mtl_optim.DualProj),
    "aligned_mtl": MethodEntry(mtl_optim.AlignedMTL),
    "config": MethodEntry(mtl_optim.ConFIG),
    "fairgrad": MethodEntry(mtl_optim.FairGrad),
    "moco": MethodEntry(mtl_optim.MoCo),
    "modo": MethodEntry(mtl_optim.MoDo),
    "db_mtl": MethodEntry(mtl_optim.DBMTL),
    "excess_mtl": MethodEntry(mtl_optim.ExcessMTL),
    "momentum_config": MethodEntry(mtl_optim.MomentumConFIG),
    "imtl_lg": MethodEntry(mtl_optim.IMTL),
    CONDITIONED: MethodEntry(_conditioned, takes_preference=True),
    "cosmos": MethodEntry(mtl_optim.COSMOS, takes_preference=True),
}


@dataclass(frozen=True)
class TreesEntry:
    """LightGBM's LambdaMART under its code name: no network, and no losses per task.

    Attributes:
        aggregation: How the labels of several tasks become one: `mtl2r_bench.training.boosting`.
        about: What `mtl2r-bench list methods` says.
    """

    aggregation: Literal["scalarised", "stochastic"]
    about: str


TREES: Mapping[str, TreesEntry] = {
    "gbdt_ls": TreesEntry("scalarised", "LightGBM's LambdaMART on the weighted sum of the gains."),
    "gbdt_sla": TreesEntry(
        "stochastic", "LightGBM's LambdaMART, each document with the label of a task that is drawn."
    ),
}
"""Baselines that take a preference; every option is one of `GBDTConfig`."""


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
    "exposure": ltr_losses.exposure_loss,
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
    "exposure_gap": ltr_losses.exposure_gap,
}


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry of a table.

    Raises:
        ValueError: For an unknown name, with the nearest known one.
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; {did_you_mean(name, list(table))}")
    return table[name]


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of an error message about an unknown name: the nearest, and all there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return f"{suggestion}Known: {', '.join(known)}"


def summary(item: Callable[..., Any]) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(item) or "").partition("\n")[0]
