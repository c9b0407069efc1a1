"""The initial state of a training."""

import numpy as np
import torch
from torch import Tensor

from ltr_data import RankingDataset
from mtl2r_models import Ranker

from ..config import RunConfig
from ..data.batches import training_loader
from ..data.splits import Splits
from ..distributed import ProcessGroup
from .build import build_method, build_model
from .optimisation import averaged, build_optimizer, loss_scaler
from .state import Tally, TrainingState

SAMPLE = 1 << 18
"""Largest number of training documents that feature layers are fitted to."""


def initial_state(
    config: RunConfig,
    splits: Splits,
    trained: list[int],
    group: ProcessGroup,
    learned: RankingDataset | None = None,
) -> TrainingState:
    """Return the initial state of a run, which depends only on its config, data and seed.

    `learned` are the training lists with the scores of teachers; by default those of `splits`.
    """
    # Dropout draws from torch's global generator, everything else from separate generators.
    torch.manual_seed(config.seed + group.rank)
    generator = torch.Generator().manual_seed(config.seed)
    tasks = tuple(splits.tasks[i] for i in trained)
    transform = splits.transform
    features = splits.train.features.shape[1] if transform is None else transform.width
    words = () if transform is None else transform.word_sizes
    model = build_model(config, features, len(tasks), generator, words)
    if config.model.feature_layers:
        model.fit_features(_sample(splits))
    ranker = Ranker(
        model,
        transform=transform,
        feature_ids=splits.train.feature_ids,
        feature_names=splits.train.feature_names or (),
        tasks=tasks,
    ).to(group.device)
    method = build_method(config.method, tasks, config.seed)
    loader = training_loader(
        config.train,
        splits.train if learned is None else learned,
        seed=config.seed,
        device=group.device,
        group=group,
        main=tasks[0],
    )
    return TrainingState(
        ranker=ranker,
        method=method,
        optimizer=build_optimizer(config.train, ranker.parameters(), method.parameters()),
        loader=loader,
        scaler=loss_scaler(config.train, group.device),
        average=averaged(config.train, ranker),
        group=group,
        tally=Tally(np.zeros(len(trained)), np.zeros(len(trained))),
    )


def _sample(splits: Splits) -> Tensor:
    """Return evenly spaced training documents, transformed like the network's input."""
    features = splits.train.features
    sample = np.array(features[:: -(-len(features) // SAMPLE)])
    return torch.from_numpy(
        sample if splits.transform is None else splits.transform.transform(sample)
    )
