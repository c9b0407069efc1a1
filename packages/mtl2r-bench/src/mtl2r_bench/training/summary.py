"""What the record of a finished run and the card of its ranker say, whatever was trained."""

from collections.abc import Mapping
from typing import Any

import torch

from mtl2r_models import Ranker

from ..config import RunConfig
from ..data.splits import Splits
from ..evaluation.evaluate import Evaluation
from ..evaluation.selection import position
from ..runs.run_folder import environment


def summarise(
    config: RunConfig,
    splits: Splits,
    tasks: tuple[str, ...],
    measured: Mapping[str, Evaluation],
    device: torch.device,
    *,
    epoch: int,
    epochs: int,
    parameters: int,
    loss: Mapping[str, float],
    seconds: float,
) -> dict[str, Any]:
    """The entries that every record has.

    Args:
        config: The run.
        splits: Its data.
        tasks: Those that were trained.
        measured: By split.
        device: Where it was trained.
        epoch: The one that was chosen; of boosted trees, how many there are.
        epochs: How many there could have been.
        parameters: Of the ranker.
        loss: By task, in training, at the chosen epoch; none for trees.
        seconds: Of the training.
    """
    method = config.method
    return {
        "method": method.model_dump(mode="json"),
        "label": method.label,
        "position": position(config),
        "tasks": list(tasks),
        "labels": list(splits.tasks),
        "fold": config.data.fold,
        "seed": config.seed,
        "select_cutoff": config.evaluation.select_cutoff,
        "epoch": epoch,
        "epochs": epochs,
        "parameters": parameters,
        "loss": dict(loss),
        "bounds": None
        if "bounds" not in method.options
        else {"rule": method.rule or "given", "values": method.options["bounds"]},
        "metrics": {name: result.named(result.means()) for name, result in measured.items()},
        "standard_errors": {
            name: result.named(result.standard_errors()) for name, result in measured.items()
        },
        "seconds": seconds,
        "data": splits.checksums,
        "environment": environment(device),
    }


def describe(
    ranker: Ranker,
    config: RunConfig,
    splits: Splits,
    epoch: int,
    measured: Mapping[str, Evaluation],
) -> None:
    """Puts into a ranker's metadata what its card says of its labels, training and quality.

    Args:
        ranker: What was trained.
        config: The run.
        splits: Its data.
        epoch: The one that was chosen.
        measured: By split.
    """
    ranker.metadata = {
        "labels": [
            spec.to_dict() for spec in splits.train.label_specs if spec.name in ranker.tasks
        ],
        "training": {
            "data": splits.source,
            "columns": splits.width,
            "lists": len(splits.train),
            "documents": splits.train.num_documents,
            "method": config.method.model_dump(mode="json", exclude_none=True),
            "loss": config.loss.model_dump(mode="json"),
            "epoch": epoch,
            "seed": config.seed,
        },
        "metrics": {
            f"{metric}, {split}": values
            for split, result in measured.items()
            for metric, values in result.named(result.means()).items()
        },
    }
