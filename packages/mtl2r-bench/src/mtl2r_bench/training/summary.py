"""The entries of a run's record and of its ranker's card, for every kind of learner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtl2r_models import Ranker

from ..config import RunConfig
from ..data.splits import Splits
from ..distributed import ProcessGroup
from ..evaluation.evaluate import Evaluation
from ..evaluation.selection import position
from ..runs.record import environment


@dataclass(frozen=True)
class Facts:
    """The facts of a training that a record holds.

    `epoch` is the one that validation chose, of `epochs`; for boosted trees both count trees.
    `loss` is the mean training loss by task in the chosen epoch; empty for trees.
    """

    tasks: tuple[str, ...]
    epoch: int
    epochs: int
    parameters: int
    loss: Mapping[str, float]
    seconds: float


def summarise(
    config: RunConfig,
    splits: Splits,
    facts: Facts,
    measured: Mapping[str, Evaluation],
    group: ProcessGroup,
) -> dict[str, Any]:
    """Return the entries that every record has; `measured` are the metrics by split."""
    method = config.method
    return {
        "method": method.model_dump(mode="json"),
        "label": method.label,
        "position": position(config),
        "tasks": list(facts.tasks),
        "labels": list(splits.tasks),
        "fold": config.data.fold,
        "seed": config.seed,
        "select_cutoff": config.evaluation.select_cutoff,
        "epoch": facts.epoch,
        "epochs": facts.epochs,
        "parameters": facts.parameters,
        "loss": dict(facts.loss),
        "bounds": None
        if "bounds" not in method.options
        else {"rule": method.rule or "given", "values": method.options["bounds"]},
        "metrics": {name: result.named(result.means()) for name, result in measured.items()},
        "standard_errors": {
            name: result.named(result.standard_errors()) for name, result in measured.items()
        },
        "seconds": facts.seconds,
        "data": splits.checksums,
        "environment": {**environment(group.device), "processes": group.size},
    }


def describe(
    ranker: Ranker,
    config: RunConfig,
    splits: Splits,
    epoch: int,
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> None:
    """Write labels, training and metrics into a ranker's metadata, which its card shows.

    `metrics` are values by split, metric and label.
    """
    ranker.metadata = {
        "labels": [
            spec.to_dict() for spec in splits.train.label_specs if spec.name in ranker.tasks
        ],
        "training": {
            "data": splits.source,
            "columns": splits.width,
            "query": config.data.query,
            "id": config.data.id,
            "clip": config.data.clip,
            "zero_based": config.data.zero_based,
            "lists": len(splits.train),
            "documents": splits.train.num_documents,
            "method": config.method.model_dump(mode="json", exclude_none=True),
            "loss": config.loss.model_dump(mode="json"),
            "epoch": epoch,
            "seed": config.seed,
        },
        "metrics": {
            f"{metric}, {split}": values
            for split, named in metrics.items()
            for metric, values in named.items()
        },
    }
