"""The optimizer, its learning rate, the precision, and the average of the weights."""

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..config import TrainConfig

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def build_optimizer(
    config: TrainConfig, model: Iterable[nn.Parameter], method: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Build one optimizer for all parameters; those of a method, such as UW's, are not decayed."""
    groups = [{"params": list(model)}]
    learned = list(method)
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})  # type: ignore[dict-item]
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        # Not fused: if float16 skips the first step, fused momentum is uninitialised memory.
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=decay)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate, weight_decay=decay, fused=True)


def learning_rate(config: TrainConfig, epoch: float) -> float:
    """Return the learning rate after a number of epochs, which may be a fraction.

    ``"step"`` multiplies by γ every `step_size` epochs, ``"cosine"`` follows half a cosine down to
    0 over the whole training, ``"constant"`` does not change. During the `warmup` epochs it rises
    linearly from 0.

    Examples:
        >>> config = TrainConfig(epochs=10, learning_rate=0.1, schedule="cosine", warmup=1)
        >>> [round(learning_rate(config, epoch), 6) for epoch in (0.5, 1, 5.5, 10)]
        [0.05, 0.1, 0.05, 0.0]
    """
    if epoch < config.warmup:
        return config.learning_rate * epoch / config.warmup
    if config.schedule == "cosine":
        done = (epoch - config.warmup) / max(config.epochs - config.warmup, 1e-9)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    if config.schedule == "step":
        return config.learning_rate * float(config.gamma ** (int(epoch) // config.step_size))
    return config.learning_rate


def casting(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of the model's precision: autocast, or none for float32."""
    if config.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, _DTYPES[config.precision])


def loss_scaler(config: TrainConfig, device: torch.device) -> torch.amp.GradScaler | None:
    """Return the scaler that keeps float16 gradients from underflow; None in other precisions."""
    return torch.amp.GradScaler(device.type) if config.precision == "float16" else None


def averaged(config: TrainConfig, model: nn.Module) -> AveragedModel | None:
    """Return the exponential moving average of the weights; None if the config has none."""
    if config.ema == 0:
        return None
    update = get_ema_multi_avg_fn(config.ema)  # type: ignore[no-untyped-call]  # torch's own
    return AveragedModel(model, multi_avg_fn=update)
