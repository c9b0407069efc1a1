"""The names that a config may use: one row per method, loss and metric.

The traits of a method (its learner, whether it takes a preference, what it aims at) are fields of
its row. Code reads the row and never compares names. The leaf packages do not know these names. A
test fails if a public method or loss of theirs is in no table.
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
class MethodRow:
    """A multi-task method under its code name.

    Attributes:
        factory: The class, or a function that builds an instance. The training passes the arguments
            ``num_tasks``, ``tasks`` (their names) and ``generator``. None for boosted trees, which
            train on one label without losses per task.
        learner: The learner, a key of `mtl2r_bench.training.learners.LEARNERS`.
        is_baseline: Whether it trains one task alone, which ``method.task`` names.
        takes_preference: Whether a preference vector is its first argument. A study trains it once
            per vector; a method without is trained once per seed.
        takes_bounds: Whether its option ``bounds`` chooses the point of the front. A study trains
            it once per set of bounds, given or derived from a preference.
        aims_at_ray: Whether it brings the losses onto the ray 1/r of its preference.
        draws_preferences: Whether its training draws a preference for every step, so that it has no
            weights for the run's own preference.
        weighs_largest: Whether its weight goes to the task with the largest r_k L_k, so that
            losses of different size train one task alone.
        aggregation: How the labels of several tasks are aggregated for boosted trees.
        options: Arguments whose values in the WEB30K study (DeepMTL2R) differ from the factory's
            defaults, or that have no default.
        about: Description of one line; by default the first line of the factory's docstring.
        shows: Name of the class, if the factory is a function.
    """

    factory: Callable[..., Method] | None
    learner: Literal["network", "conditioned", "trees"] = "network"
    is_baseline: bool = False
    takes_preference: bool = False
    takes_bounds: bool = False
    aims_at_ray: bool = False
    draws_preferences: bool = False
    weighs_largest: bool = False
    aggregation: Literal["scalarised", "stochastic"] = "scalarised"
    options: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    shows: str = ""

    @property
    def class_name(self) -> str:
        """The class that the method builds, or LightGBM."""
        return self.shows or getattr(self.factory, "__name__", "")

    @property
    def summary(self) -> str:
        """The description of one line."""
        return self.about or summary(self.factory or MethodRow)

    @property
    def has_network(self) -> bool:
        """Whether it trains a network of the config's architecture."""
        return self.factory is not None


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
    """Minimise `main` while `bounds` (task to loss) hold: the epsilon-constraint method."""
    for name in [*bounds, *([main] if main is not None else [])]:
        lookup(dict.fromkeys(tasks), name, "task")
    return mtl_optim.EpsilonConstraint(
        main=0 if main is None else tasks.index(main),
        bounds={tasks.index(name): value for name, value in bounds.items()},
        mu=mu,
        violation=violation,
        dual_step=dual_step,
    )


def _guard_rails(
    tasks: tuple[str, ...],
    *,
    main: str | None = None,
    floors: Mapping[str, float] | None = None,
    longest: float = 2.0,
) -> Method:
    """Follow the gradient of `main` as far as the floors (task to floor) of other tasks allow."""
    for name in [*(floors or {}), *([main] if main is not None else [])]:
        lookup(dict.fromkeys(tasks), name, "task")
    return mtl_optim.GuardRails(
        main=0 if main is None else tasks.index(main),
        floors=None if floors is None else {tasks.index(k): v for k, v in floors.items()},
        longest=longest,
    )


def _learning_rate_annealing(
    tasks: tuple[str, ...], *, main: str | None = None, alpha: float = 0.9
) -> Method:
    """Weigh the other gradients up, until their mean entries reach the largest of `main`."""
    if main is not None:
        lookup(dict.fromkeys(tasks), main, "task")
    return mtl_optim.LearningRateAnnealing(
        main=0 if main is None else tasks.index(main), alpha=alpha
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

    With a new preference every step and a small μ, the noise of one batch decides which task is
    trained.
    """
    for name, value in {"passes": passes, "code": code}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}")
    if rank < 0:
        raise ValueError(f"`rank` must be at least 0, got {rank}")
    return mtl_optim.SmoothChebyshev(preference, mu=mu, average=average)


def _single_task() -> Method:
    """Single-task training: the baselines of a study."""
    return mtl_optim.LinearScalarization((1.0,))


BASELINES = "stl"
"""The method of a study's baselines."""

METHODS: Mapping[str, MethodRow] = {
    BASELINES: MethodRow(_single_task, is_baseline=True, shows="LinearScalarization"),
    # The 21 of DeepMTL2R, under its code names, with ``stl``.
    "ls": MethodRow(mtl_optim.LinearScalarization, takes_preference=True),
    "scaleinvls": MethodRow(mtl_optim.ScaleInvariantScalarization, takes_preference=True),
    "wc": MethodRow(
        mtl_optim.WeightedChebyshev, takes_preference=True, aims_at_ray=True, weighs_largest=True
    ),
    "soft_wc": MethodRow(
        mtl_optim.SmoothChebyshev,
        takes_preference=True,
        aims_at_ray=True,
        options={"mu": 0.1},
        weighs_largest=True,
    ),
    "epo": MethodRow(mtl_optim.EPO, takes_preference=True, aims_at_ray=True),
    "wc_mgda": MethodRow(mtl_optim.WCMGDA, takes_preference=True, aims_at_ray=True),
    "ec": MethodRow(
        _epsilon_constraint,
        takes_bounds=True,
        options={"mu": 10.0, "violation": "relative"},
        shows="EpsilonConstraint",
    ),
    "rlw": MethodRow(mtl_optim.RandomLossWeighting),
    "uw": MethodRow(mtl_optim.UncertaintyWeighting),
    "dwa": MethodRow(mtl_optim.DynamicWeightAverage),
    "famo": MethodRow(mtl_optim.FAMO),
    "mgda": MethodRow(mtl_optim.MGDA),
    "pcgrad": MethodRow(mtl_optim.PCGrad),
    "graddrop": MethodRow(mtl_optim.GradDrop),
    "cagrad": MethodRow(mtl_optim.CAGrad, options={"c": 0.4}),
    "imtl_g": MethodRow(mtl_optim.IMTLG),
    "imtl": MethodRow(mtl_optim.IMTLG, about="IMTL-G (`imtl_g`) under DeepMTL2R's name."),
    "nashmtl": MethodRow(mtl_optim.NashMTL),
    "sdmgrad": MethodRow(mtl_optim.SDMGrad, options={"lam": 0.6}),
    "log_mgda": MethodRow(_log_mgda, shows="LogLosses(MGDA)"),
    "log_cagrad": MethodRow(_log_cagrad, options={"c": 0.4}, shows="LogLosses(CAGrad)"),
    "log_imtl": MethodRow(_log_imtl, shows="LogLosses(IMTLG)"),
    # Beyond them.
    "mean": MethodRow(mtl_optim.Mean),
    "sum": MethodRow(mtl_optim.Sum),
    "pbi": MethodRow(mtl_optim.PBI, takes_preference=True, aims_at_ray=True),
    "gls": MethodRow(mtl_optim.GeometricLossStrategy),
    "imtl_l": MethodRow(mtl_optim.IMTLL),
    "gradnorm": MethodRow(mtl_optim.GradNorm),
    "gradvac": MethodRow(mtl_optim.GradVac),
    "upgrad": MethodRow(mtl_optim.UPGrad),
    "dualproj": MethodRow(mtl_optim.DualProj),
    "aligned_mtl": MethodRow(mtl_optim.AlignedMTL),
    "config": MethodRow(mtl_optim.ConFIG),
    "fairgrad": MethodRow(mtl_optim.FairGrad),
    "moco": MethodRow(mtl_optim.MoCo),
    "modo": MethodRow(mtl_optim.MoDo),
    "db_mtl": MethodRow(mtl_optim.DBMTL),
    "excess_mtl": MethodRow(mtl_optim.ExcessMTL),
    "momentum_config": MethodRow(mtl_optim.MomentumConFIG),
    "imtl_lg": MethodRow(mtl_optim.IMTL),
    "conditioned": MethodRow(
        _conditioned,
        learner="conditioned",
        takes_preference=True,
        draws_preferences=True,
        shows="SmoothChebyshev",
    ),
    "cosmos": MethodRow(mtl_optim.COSMOS, takes_preference=True),
    "ferero": MethodRow(mtl_optim.FERERO, takes_preference=True, aims_at_ray=True),
    "guard_rails": MethodRow(_guard_rails, shows="GuardRails"),
    "go4align": MethodRow(mtl_optim.GO4Align),
    "ldc_mtl": MethodRow(mtl_optim.LDCMTL),
    "relobralo": MethodRow(mtl_optim.ReLoBRaLo),
    "norm_balance": MethodRow(mtl_optim.NormBalance),
    "lr_annealing": MethodRow(_learning_rate_annealing, shows="LearningRateAnnealing"),
    # LightGBM's LambdaMART: every option is one of `GBDTConfig`.
    "gbdt_ls": MethodRow(
        None,
        learner="trees",
        takes_preference=True,
        about="LightGBM's LambdaMART on the weighted sum of the gains.",
        shows="LightGBM",
    ),
    "gbdt_sla": MethodRow(
        None,
        learner="trees",
        takes_preference=True,
        aggregation="stochastic",
        about="LightGBM's LambdaMART on the label of one task, drawn for each document.",
        shows="LightGBM",
    ),
}


@dataclass(frozen=True)
class LossRow:
    """A ranking loss under its code name.

    Attributes:
        function: A function of ltr_losses.
        smooth: Whether second derivatives are useful, so that a front can be followed. Losses that
            sort or weigh pairs by rank are piecewise: their second derivatives ignore rank changes.
    """

    function: Callable[..., Tensor]
    smooth: bool = False


LOSSES: Mapping[str, LossRow] = {
    "mse": LossRow(ltr_losses.mse_loss, smooth=True),
    "bce": LossRow(ltr_losses.bce_loss, smooth=True),
    "ordinal": LossRow(ltr_losses.ordinal_loss),
    "ranknet": LossRow(ltr_losses.ranknet_loss, smooth=True),
    "pairwise_hinge": LossRow(ltr_losses.pairwise_hinge_loss),
    "pairwise_mse": LossRow(ltr_losses.pairwise_mse_loss, smooth=True),
    "pairwise_quantile": LossRow(ltr_losses.pairwise_quantile_loss),
    "lambda": LossRow(ltr_losses.lambda_loss),
    "listnet": LossRow(ltr_losses.listnet_loss, smooth=True),
    "binary_listnet": LossRow(ltr_losses.binary_listnet_loss, smooth=True),
    "listmle": LossRow(ltr_losses.listmle_loss, smooth=True),
    "p_listmle": LossRow(ltr_losses.p_listmle_loss, smooth=True),
    "softmax": LossRow(ltr_losses.softmax_loss, smooth=True),
    "unique_softmax": LossRow(ltr_losses.unique_softmax_loss),
    "poly1_softmax": LossRow(ltr_losses.poly1_softmax_loss, smooth=True),
    "approx_ndcg": LossRow(ltr_losses.approx_ndcg_loss, smooth=True),
    "approx_mrr": LossRow(ltr_losses.approx_mrr_loss, smooth=True),
    "neural_ndcg": LossRow(ltr_losses.neural_ndcg_loss),
    "exposure": LossRow(ltr_losses.exposure_loss),
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
    """Return an entry of a table.

    Raises:
        ValueError: The name is unknown; the message suggests the nearest known name.
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; {did_you_mean(name, list(table))}")
    return table[name]


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest, and all known ones."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return f"{suggestion}Known: {', '.join(known)}"


def summary(item: Callable[..., Any]) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(item) or "").partition("\n")[0]
