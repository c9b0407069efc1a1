"""A training step of the engine against the predecessor's way, a plain step and the floor.

    python benchmarks/train_step.py                # writes results/train_step.md
    python benchmarks/train_step.py --quick        # 8 lists instead of 64, nothing written

The WEB30K preset (810,497 parameters, dropout 0.3, ndcg2pp) on synthetic lists of WEB30K's lengths,
cut at 240 documents. Every variant is a process of its own, all cores; variants alternate, and the
medians over the rounds are reported, per step of 64 lists. The ways compared:

* predecessor: what DeepMTL2R does, in plain PyTorch: lists padded to 240, a forward pass per task,
  attention and pair losses as dense tensors; for MGDA, K backward passes through all K graphs at
  once (the losses are stacked) and one more for the combination.
* plain: one forward pass, the summed loss, one backward pass, with our model, losses and batches.
* engine: `mtl2r_bench`'s own steps.
* floor: the matrix products of the plain step (forward, and twice that backward) at the machine's
  measured speed of a large product.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

# This folder, where other scripts' names would stand for the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_data import BucketBatchSampler, LogStandardize, RankingDataset
from ltr_data.datasets import resolve_inputs, resolve_tasks, synthetic
from ltr_losses import lambda_loss
from mtl2r_bench.config import RunConfig, validate
from mtl2r_bench.data import Splits
from mtl2r_bench.epoch import Engine
from mtl2r_bench.group import ALONE
from mtl2r_bench.tables import build_loss
from mtl2r_bench.train import initial_state
from mtl2r_models import ListTransformer, Ranker
from mtl_optim import MGDA

LENGTH, BATCHES = 240, 3
TASKS = ("relevance", "quality", "quality2", "click", "dwell")
RESULT = Path(__file__).parent / "results" / "train_step.md"

Step = Callable[[], None]


def dataset(lists: int, tasks: int) -> RankingDataset:
    """A few batches of lists with WEB30K's lengths, cut at 240 documents."""
    table = synthetic.generate(BATCHES * lists, seed=0)
    specs = resolve_tasks(TASKS[:tasks], table.feature_ids, preset="paper")
    inputs = resolve_inputs("paper", specs, table.feature_ids)
    data = RankingDataset.from_table(table, specs, inputs)
    kept = np.concatenate([np.arange(a, min(a + LENGTH, b)) for a, b in pairwise(data.offsets)])
    lengths = data.lengths.clip(max=LENGTH)
    return RankingDataset(
        features=data.features[kept],
        labels=data.labels[:, kept],
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        query_ids=data.query_ids,
        feature_ids=data.feature_ids,
        label_specs=data.label_specs,
    )


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


def dense_losses() -> Callable[..., Tensor]:
    """The pair losses with (batch, list, list) tensors, of the benchmark of ltr-losses."""
    path = Path(__file__).with_name("ltr_losses.py")
    spec = importlib.util.spec_from_file_location("benchmark_of_ltr_losses", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.dense_lambda


def predecessor(method: str, data: RankingDataset, lists: int) -> Iterator[Step]:
    """One forward pass per task; K² + K backward passes for MGDA."""
    dense = dense_losses()
    model = DenseTransformer(data.features.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    transform = LogStandardize.fit(data.features, data.feature_ids)
    parameters = list(model.parameters())
    order = np.random.default_rng(0).permutation(len(data))

    def step(indices: np.ndarray) -> None:
        batch = data.batch(indices, pad_to=(len(indices), LENGTH))
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

    for start in range(0, len(order), lists):
        yield lambda start=start: step(order[start : start + lists])


def plain(data: RankingDataset, lists: int) -> Iterator[Step]:
    """One forward pass, the summed loss, one backward pass."""
    model = ListTransformer(data.features.shape[1])
    ranker = Ranker(
        model,
        transform=LogStandardize.fit(data.features, data.feature_ids),
        feature_ids=data.feature_ids,
    )
    optimizer = torch.optim.Adam(ranker.parameters(), lr=1e-3, fused=True)

    def step(indices: list[int]) -> None:
        batch = data.batch(indices)
        scores = ranker(batch.features, batch.mask)
        loss = lambda_loss(scores, batch.labels, mask=batch.mask).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ranker.parameters(), 1.0)
        optimizer.step()

    for indices in BucketBatchSampler(data.lengths, batch_size=lists, seed=0):
        yield lambda indices=indices: step(indices)


def engine(method: str, settings: dict[str, object], data: RankingDataset, lists: int) -> Engine:
    """The engine at the beginning of a training."""
    named: dict[str, object] = {"name": method}
    if method == "ls":
        named["preference"] = [1 / len(data.tasks)] * len(data.tasks)
    train = {"batch_size": lists, **settings}
    config = validate(RunConfig, {"method": named, "train": train, "seed": 0})
    transform = LogStandardize.fit(data.features, data.feature_ids)
    splits = Splits(data, data, None, transform, "benchmark")
    everything = list(range(len(data.tasks)))
    state = initial_state(config, splits, everything, ALONE)
    return Engine(config, data, state, build_loss(config.loss), everything)


def measure(variant: tuple[str, ...], tasks: int, lists: int, pipe: object) -> None:
    """In a process of its own: seconds per step, and the growth of the peak in MB."""
    torch.manual_seed(0)
    data = dataset(lists, tasks)
    way, method, *rest = variant
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: list[float] = []
    if way == "engine":
        settings: dict[str, object] = {"route": rest[0]} if rest else {}
        if len(rest) > 1:
            settings["precision"] = rest[1]
        trained = engine(method, settings, data, lists)
        last = time.perf_counter()

        def after(_: object) -> None:
            nonlocal last
            seconds.append(time.perf_counter() - last)
            last = time.perf_counter()

        trained.run_epoch(after)
    else:
        steps = predecessor(method, data, lists) if way == "predecessor" else plain(data, lists)
        for step in steps:
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
            if way == "predecessor":
                break  # each costs as much as every other: all are padded to 240
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    pipe.send((statistics.mean(seconds), peak))  # type: ignore[attr-defined]


def floor(lists: int) -> tuple[float, float]:
    """Seconds of a plain step's products at the measured speed, and that speed in GFLOP/s."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    speed = 2 * 2048**3 / min(times)
    data = dataset(lists, 2)
    flops = 0.0
    batches = list(BucketBatchSampler(data.lengths, batch_size=lists, seed=0))
    for indices in batches:
        length = int(data.lengths[indices].max())
        tokens = len(indices) * length
        weights = 132 * 128 + 4 * (4 * 128**2 + 2 * 128 * 512) + 128
        flops += 2 * tokens * weights + 4 * 4 * len(indices) * length**2 * 128
    return 3 * flops / len(batches) / speed, speed / 1e9


VARIANTS: dict[str, tuple[str, ...]] = {
    "predecessor, LS": ("predecessor", "ls"),
    "predecessor, MGDA": ("predecessor", "mgda"),
    "plain, summed loss": ("plain", "sum"),
    "engine, LS": ("engine", "ls"),
    "engine, MGDA exact": ("engine", "mgda", "exact"),
    "engine, MGDA features": ("engine", "mgda", "features"),
    "engine, LS, bfloat16": ("engine", "ls", "exact", "bfloat16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="8 lists a step, nothing written")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    lists = 8 if options.quick else 64
    context = multiprocessing.get_context("spawn")
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    floors = []
    for _ in range(options.rounds):
        floors.append(floor(lists))
        for tasks in (2, 5):
            for name, variant in VARIANTS.items():
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=measure, args=(variant, tasks, lists, theirs))
                process.start()
                theirs.close()
                result = ours.recv()
                process.join()
                found.setdefault((name, tasks), []).append(result)
                print(f"{name}, K = {tasks}: {result[0]:.2f} s, {result[1]:.0f} MB", flush=True)
    least = statistics.median(seconds for seconds, _ in floors)
    speed = statistics.median(speed for _, speed in floors)
    medians = {
        key: tuple(map(statistics.median, zip(*values, strict=True)))
        for key, values in found.items()
    }
    machine = (
        f"`python benchmarks/train_step.py`, {os.cpu_count()} processors ({platform.machine()}), "
        f"torch {torch.__version__}. The WEB30K preset, {lists} lists a step, cut at {LENGTH} "
        f"documents; medians of {options.rounds} alternating rounds, each variant in its own "
        "process. MB is the growth of the peak from before the first step."
    )
    bound = (
        f"Floor: the matrix products of a step of bucketed lists take {least:.2f} s at the "
        f"{speed:.0f} GFLOP/s of a large float32 product."
    )
    lines = [
        "# A training step",
        "",
        machine,
        "",
        bound,
        "",
        "| way | K | s | ÷ floor | ÷ plain | predecessor ÷ it | MB | predecessor's MB ÷ its |",
        "| --- " * 8 + "|",
    ]
    for (name, tasks), (seconds, peak) in medians.items():
        base = medians["plain, summed loss", tasks]
        kind = "predecessor, MGDA" if "MGDA" in name else "predecessor, LS"
        old = medians[kind, tasks]
        lines.append(
            f"| {name} | {tasks} | {seconds:.2f} | {seconds / least:.2f} | {seconds / base[0]:.2f} "
            f"| {old[0] / seconds:.1f} | {peak:.0f} | {old[1] / peak:.1f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if not options.quick:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
