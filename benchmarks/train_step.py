"""A training step of the engine against the predecessor's way, a plain step and the floor.

    python benchmarks/train_step.py                  # writes results/train_step.md
    python benchmarks/train_step.py --quick          # 8 lists instead of 64, nothing written
    python benchmarks/train_step.py --device cuda    # writes results/train_step_cuda.md
    python benchmarks/train_step.py --epoch          # an epoch of WEB30K's size as well
    python benchmarks/train_step.py --shared         # where others use the machine, see below

The WEB30K preset (810,497 parameters, dropout 0.3, ndcg2pp) on synthetic lists of WEB30K's lengths,
cut at 240 documents: 3 of the 50 batches that 3,200 lists make, those at 1/6, 1/2 and 5/6 of the
lengths, so that there is as little padding as in the whole. Every variant is a process of its own,
all cores; variants alternate, and the medians over the rounds are reported, per step of 64 lists,
after an epoch that warms up. With
`--shared` it is the CPU time of one thread, which others on the machine disturb little. The ways
compared:

* predecessor: what DeepMTL2R does, in plain PyTorch: lists padded to 240, a forward pass per task,
  attention and pair losses as dense tensors; for MGDA, K backward passes through all K graphs at
  once (the losses are stacked) and one more for the combination.
* plain: one forward pass, the summed loss, one backward pass, with our model, losses and batches.
* engine: `mtl2r_bench`'s own steps.
* floor: the matrix products of the plain step on the documents alone, without padding (forward, and
  twice that backward, nothing computed again), at the measured speed of a large product: the best
  of torch's default and of oneDNN.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

# This folder, where other scripts' names would stand for the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_data import BucketBatchSampler, LogStandardize, RankingDataset
from ltr_data.datasets import resolve_inputs, resolve_tasks, synthetic
from ltr_losses import lambda_loss
from mtl2r_bench.config import RunConfig, validate
from mtl2r_bench.data.splits import Splits
from mtl2r_bench.distributed import ALONE
from mtl2r_bench.training.build import build_loss
from mtl2r_bench.training.epoch import Engine
from mtl2r_bench.training.memory import keep_freed_memory
from mtl2r_bench.training.start import initial_state
from mtl2r_models import ListTransformer, Ranker
from mtl2r_models.cpu import _products as products

LENGTH, BATCHES, EPOCH = 240, 50, 18_919  # lists in WEB30K's training split
TASKS = ("relevance", "quality", "quality2", "click", "dwell")
RESULTS = Path(__file__).parent / "results"

Step = Callable[[], None]


def generate(lists: int) -> RankingDataset:
    """Lists with WEB30K's lengths, cut at 240 documents, with all tasks."""
    table = synthetic.generate(lists, seed=0)
    specs = resolve_tasks(TASKS, table.feature_ids, preset="paper")
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


def some_batches(data: RankingDataset, lists: int) -> RankingDataset:
    """The lists of three batches, with short, middling and long lists."""
    order = np.argsort(data.lengths, kind="stable").reshape(-1, lists)
    chosen = np.sort(order[[len(order) // 6, len(order) // 2, 5 * len(order) // 6]].ravel())
    return data.subset(chosen)


def with_tasks(data: RankingDataset, tasks: int) -> RankingDataset:
    """The first tasks alone."""
    return dataclasses.replace(
        data, labels=data.labels[:tasks], label_specs=data.label_specs[:tasks]
    )


def script(name: str) -> ModuleType:
    """Another script of this folder, as a module."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"benchmark{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def plain(dropout: float, data: RankingDataset, lists: int, device: str) -> Iterator[Step]:
    """One forward pass, the summed loss, one backward pass."""
    model = ListTransformer(data.features.shape[1], dropout=dropout)
    ranker = Ranker(
        model,
        transform=LogStandardize.fit(data.features, data.feature_ids),
        feature_ids=data.feature_ids,
    ).to(device)
    optimizer = torch.optim.Adam(ranker.parameters(), lr=1e-3, fused=True)

    def step(indices: list[int]) -> None:
        batch = data.batch(indices).to(device)
        scores = ranker(batch.features, batch.mask)
        loss = lambda_loss(scores, batch.labels, mask=batch.mask).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ranker.parameters(), 1.0)
        optimizer.step()

    sampler = BucketBatchSampler(data.lengths, batch_size=lists, seed=0)
    for indices in [*sampler, *sampler]:
        yield lambda indices=indices: step(indices)


def engine(
    method: str, settings: dict[str, object], data: RankingDataset, lists: int, device: str
) -> Engine:
    """The engine at the beginning of a training."""
    named: dict[str, object] = {"name": method}
    if method == "ls":
        named["preference"] = [1 / len(data.tasks)] * len(data.tasks)
    train = {"batch_size": lists, "device": device, **settings}
    config = validate(RunConfig, {"method": named, "train": train, "seed": 0})
    transform = LogStandardize.fit(data.features, data.feature_ids)
    splits = Splits(data, data, None, transform, "benchmark")
    everything = list(range(len(data.tasks)))
    group = dataclasses.replace(ALONE, device=torch.device(device))
    state = initial_state(config, splits, everything, group)
    return Engine(config, data, state, build_loss(config.loss), everything)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and how it is measured."""

    device: str
    shared: bool = False

    def prepare(self) -> None:
        """At the beginning of every process."""
        if self.shared:
            torch.set_num_threads(1)

    def now(self) -> float:
        """The time when all that was asked of the device is done."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.process_time() if self.shared else time.perf_counter()


def seconds_of_an_epoch(trained: Engine, place: Place) -> list[float]:
    """Of each step, the making of its batch included."""
    seconds: list[float] = []
    last = place.now()

    def after(_: object) -> None:
        nonlocal last
        seconds.append(place.now() - last)
        last = place.now()

    trained.run_epoch(after)
    trained.state.next_epoch()
    return seconds


def peak_megabytes() -> float:
    """Of this process: what `getrusage` says begins with what its parent had."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(
    variant: Variant, data: RankingDataset, lists: int, place: Place, pipe: Connection
) -> None:
    """In a process of its own: seconds per step, and the growth of the peak in MB."""
    place.prepare()
    device = place.device
    torch.manual_seed(0)
    before = peak_megabytes()
    if variant.way != "predecessor" and device == "cpu":
        keep_freed_memory()
    if variant.way == "engine":
        trained = engine(variant.method, variant.settings, data, lists, device)
        seconds_of_an_epoch(trained, place)
        seconds = seconds_of_an_epoch(trained, place)
    else:
        steps = (
            script("_predecessor").steps(
                variant.method, script("ltr_losses").dense_lambda, data, lists, device
            )
            if variant.way == "predecessor"
            else plain(variant.dropout, data, lists, device)
        )
        seconds = []
        for step in steps:
            start = place.now()
            step()
            seconds.append(place.now() - start)
        seconds = seconds[len(seconds) // 2 :]  # the first half warms up
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = peak_megabytes() - before
    pipe.send((statistics.mean(seconds), peak))


def best_speed(multiply: Callable[[], object], place: Place) -> float:
    """Of a product of matrices of 2048 × 2048, in operations per second."""
    times = []
    for _ in range(5):
        start = place.now()
        multiply()
        times.append(place.now() - start)
    return 2 * 2048**3 / min(times)


def speeds(place: Place) -> dict[str, float]:
    """Of the ways to multiply large matrices, in operations per second."""
    a, b = torch.randn(2, 2048, 2048, device=place.device)
    half_a, half_b = a.bfloat16(), b.bfloat16()
    found = {
        "float32": best_speed(lambda: a @ b, place),
        "bfloat16": best_speed(lambda: half_a @ half_b, place),
    }
    if place.device == "cpu" and torch.backends.mkldnn.is_available():
        found["float32, oneDNN"] = best_speed(lambda: products.multiply(a, b), place)
    return found


def operations(data: RankingDataset) -> float:
    """Of the products of an epoch, forward and backward, on its documents alone."""
    weights = data.features.shape[1] * 128 + 4 * (4 * 128**2 + 2 * 128 * 512) + 128
    attention = 4 * 2 * 128 * float((data.lengths.astype(float) ** 2).sum())
    return 3 * 2 * (data.num_documents * weights + attention)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to make a step."""

    way: str
    method: str = ""
    dropout: float = 0.3
    settings: dict[str, object] = dataclasses.field(default_factory=dict)


HALF = {"precision": "bfloat16"}
VARIANTS = {
    "predecessor, LS": Variant("predecessor", "ls"),
    "predecessor, MGDA": Variant("predecessor", "mgda"),
    "plain, summed loss": Variant("plain"),
    "plain, summed loss, no dropout": Variant("plain", dropout=0.0),
    "engine, LS": Variant("engine", "ls"),
    "engine, MGDA exact": Variant("engine", "mgda"),
    "engine, MGDA features": Variant("engine", "mgda", settings={"route": "features"}),
    "engine, LS, bfloat16": Variant("engine", "ls", settings=HALF),
}
FAST = {**HALF, "compile": True}
ON_A_GPU = {
    "engine, LS, bfloat16, compiled": Variant("engine", "ls", settings=FAST),
    "engine, MGDA exact, bfloat16, compiled": Variant("engine", "mgda", settings=FAST),
    "engine, MGDA features, bfloat16, compiled": Variant(
        "engine", "mgda", settings={**FAST, "route": "features"}
    ),
}


def whole_epoch(place: Place, lists: int, peak: float) -> str:
    """A line on an epoch of as many lists as WEB30K has."""
    device = place.device
    data = with_tasks(generate(EPOCH), 2)
    if device == "cpu":
        keep_freed_memory()
    trained = engine("ls", FAST if device == "cuda" else {}, data, lists, device)
    start = place.now()
    trained.run_epoch(lambda _: None)
    seconds = place.now() - start
    return (
        f"An epoch of {EPOCH:,} lists, {data.num_documents:,} documents, K = 2, LS, from the first "
        f"step on: {seconds:.0f} s, {EPOCH / seconds:.0f} lists/s, "
        f"{operations(data) / seconds / peak:.0%} of the peak."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="8 lists a step, nothing written")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--epoch", action="store_true", help="an epoch of WEB30K's size, too")
    parser.add_argument("--shared", action="store_true", help="the CPU time of one thread")
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 5], help="how many: K")
    parser.add_argument("--ours", action="store_true", help="without the predecessor's minutes")
    options = parser.parse_args()
    device, lists = options.device, 8 if options.quick else 64
    place = Place(device, options.shared)
    place.prepare()
    variants = VARIANTS | (ON_A_GPU if device == "cuda" else {})
    if options.ours:
        variants = {name: one for name, one in variants.items() if one.way != "predecessor"}
    data = some_batches(generate(BATCHES * lists), lists)
    context = multiprocessing.get_context("spawn")
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    seen: list[dict[str, float]] = []
    for _ in range(options.rounds):
        for tasks in options.tasks:
            for name, variant in variants.items():
                seen.append(speeds(place))
                ours, theirs = context.Pipe(duplex=False)
                arguments = (variant, with_tasks(data, tasks), lists, place, theirs)
                process = context.Process(target=measure, args=arguments)
                process.start()
                theirs.close()
                result = ours.recv()
                process.join()
                found.setdefault((name, tasks), []).append(result)
                print(f"{name}, K = {tasks}: {result[0]:.2f} s, {result[1]:.0f} MB", flush=True)
    best = {name: max(one[name] for one in seen) for name in seen[0]}
    medians = {
        key: tuple(map(statistics.median, zip(*values, strict=True)))
        for key, values in found.items()
    }
    lines = report(medians, best, operations(data) / 3, lists, options)
    if options.epoch:
        lines += ["", whole_epoch(place, lists, best_float32(best))]
    text = "\n".join(lines) + "\n"
    print(text)
    if not options.quick:
        name = "train_step.md" if device == "cpu" else "train_step_cuda.md"
        (RESULTS / name).write_text(text, encoding="utf-8")


def best_float32(best: dict[str, float]) -> float:
    """The speed of the fastest product that rounds to float32."""
    return max(speed for name, speed in best.items() if name.startswith("float32"))


def report(
    medians: dict[tuple[str, int], tuple[float, ...]],
    best: dict[str, float],
    work: float,
    lists: int,
    options: argparse.Namespace,
) -> list[str]:
    """The table."""
    machine = platform.machine()
    if options.device == "cuda":
        machine = torch.cuda.get_device_name()
    least = work / best_float32(best)
    torchs = work / best["float32"]
    peaks = ", ".join(f"{speed / 1e9:,.0f} GFLOP/s in {name}" for name, speed in best.items())
    set_up = (
        f"`python benchmarks/{' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`, "
        f"{os.cpu_count()} processors, {machine}, torch {torch.__version__}. The WEB30K preset, "
        f"{lists} lists a step, cut at {LENGTH} documents; "
        + ("process CPU time of one thread, " if options.shared else "")
        + f"medians of {options.rounds} alternating rounds, each variant in its own process. MB is "
        "the growth of the peak from before the first step."
    )
    floor = (
        f"Large products (2048 × 2048) run at {peaks}. Floor: the products of a step, "
        f"{work / 1e9:.0f} GFLOP on the documents without padding, take {least * 1e3:.0f} ms at "
        f"the fastest of the float32 ones, and {torchs * 1e3:.0f} ms at that of torch's `a @ b`."
    )
    names = (
        "| way | K | ms | lists/s | ÷ floor | ÷ floor of `a @ b` | ÷ plain | predecessor ÷ it "
        "| MB | predecessor's MB ÷ its |"
    )
    title = "# A training step" + (" on a GPU" if options.device == "cuda" else "")
    lines = [title, "", set_up, "", floor, "", names, "| --- " * 10 + "|"]
    for (name, tasks), (seconds, peak) in medians.items():
        base = medians["plain, summed loss", tasks]
        old = medians.get(("predecessor, MGDA" if "MGDA" in name else "predecessor, LS", tasks))
        faster, smaller = (
            ("", "") if old is None else (f"{old[0] / seconds:.1f}", f"{old[1] / peak:.1f}")
        )
        lines.append(
            f"| {name} | {tasks} | {seconds * 1e3:,.0f} | {lists / seconds:.0f} "
            f"| {seconds / least:.2f} | {seconds / torchs:.2f} | {seconds / base[0]:.2f} "
            f"| {faster} | {peak:,.0f} | {smaller} |"
        )
    if options.device == "cpu":
        units = {
            "AVX512-BF16": torch.cpu._is_avx512_bf16_supported(),
            "AMX": torch.cpu._is_amx_tile_supported(),
        }
        has = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in units.items())
        lines += [
            "",
            f"Units for bfloat16: {has}.",
            "",
            "No GPU was at hand: `--device cuda` has not been run.",
        ]
    return lines


if __name__ == "__main__":
    main()
