"""A training step as DeepMTL2R makes it, in plain PyTorch; for `train_step.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ltr_data import LogStandardize, RankingDataset
from mtl_optim import MGDA

LENGTH = 240

Step = Callable[[], None]


class DenseAttention(nn.Module):
    """Self-attention whose weights are a (batch, head, list, list) tensor."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.projections = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        q, k, v = (
            p(x).view(batch, length, self.heads, -1).transpose(1, 2) for p in self.projections[:3]
        )
        logits = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        logits = logits.masked_fill(padding[:, None, None, :], float("-inf"))
        out = self.dropout(logits.softmax(-1)) @ v
        return self.projections[3](out.transpose(1, 2).reshape(batch, length, hidden))


class DenseTransformer(nn.Module):
    """The preset, written plainly."""

    def __init__(self, features: int, hidden: int = 128, dropout: float = 0.3) -> None:
        super().__init__()
        self.input = nn.Linear(features, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(9))
        self.attention = nn.ModuleList(DenseAttention(hidden, 4, dropout) for _ in range(4))
        self.feedforward = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden, 512), nn.ReLU(), nn.Dropout(dropout), nn.Linear(512, hidden)
            )
            for _ in range(4)
        )
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        x = self.input(x)
        for i in range(4):
            x = x + self.dropout(self.attention[i](self.norms[2 * i](x), padding))
            x = x + self.dropout(self.feedforward[i](self.norms[2 * i + 1](x)))
        return self.score(self.norms[8](x)).squeeze(-1)


def steps(
    method: str, dense: Callable[..., Tensor], data: RankingDataset, lists: int, device: str
) -> Iterator[Step]:
    """One forward pass per task; K² + K backward passes for MGDA."""
    model = DenseTransformer(data.features.shape[1]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    transform = LogStandardize.fit(data.features, data.feature_ids).to(device)
    parameters = list(model.parameters())
    order = np.random.default_rng(0).permutation(len(data))

    def take(indices: np.ndarray) -> None:
        batch = data.batch(indices, pad_to=(len(indices), LENGTH)).to(device)
        features, padding = transform(batch.features), ~batch.mask
        losses = []
        for labels in batch.labels:
            scores = model(features, padding).masked_fill(padding, -1e4)
            labels[:, 0].clamp_(min=1)  # a list without a relevant document would be 0 / 0
            losses.append(dense(scores, labels).mean())
        optimizer.zero_grad()
        stacked = torch.stack(losses)
        weights = torch.full((len(losses),), 1 / len(losses))
        if method == "mgda":
            rows = [
                torch.cat(
                    [g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)]
                )
                for loss in stacked
            ]
            J = torch.stack(rows)
            weights = MGDA().weights(gramian=J @ J.T).float()
        (stacked * weights).sum().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    # Each costs as much as every other: all are padded to the same length.
    for start in (0, lists) if device == "cuda" else (0,):
        yield lambda start=start: take(order[start : start + lists])
