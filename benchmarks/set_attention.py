"""Induced points against full attention: time and memory over the list's length, and quality.

    python benchmarks/set_attention.py
    python benchmarks/set_attention.py --costs     without the quality

Time is the median of some calls of one thread, interleaved; memory is what a forward pass keeps for
its backward pass. Quality is that of the demo's lists, single-task training, paired.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

# Not from this folder, whose files have the names of the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from mtl2r_bench.config import RunConfig, load_study, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.training.run import train
from mtl2r_models import ListTransformer, Scorer, SetTransformer

FOLDER = Path(__file__).parent
LENGTHS = (100, 300, 1_000, 3_000, 10_000)
FEATURES, CALLS, SEEDS = 64, 3, (42, 43, 44)
SIZES = {"hidden": 64, "layers": 2, "heads": 4, "feedforward": 128}
KINDS = {
    "full": lambda: ListTransformer(FEATURES, **SIZES),
    "induced, 16 points": lambda: SetTransformer(FEATURES, **SIZES, points=16),
}


def step(model: Scorer, length: int, training: bool) -> float:
    features = torch.zeros(1, length, FEATURES)
    started = time.perf_counter()
    if training:
        model(features).square().sum().backward()
    else:
        with torch.inference_mode():
            model(features)
    return time.perf_counter() - started


def kept(model: Scorer, length: int) -> float:
    """Megabytes that a forward pass keeps for its backward pass, parameters included."""
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scores = model.train()(torch.zeros(1, length, FEATURES))
    del scores
    return sum(sizes.values()) / 2**20


def costs() -> list[str]:
    models = {kind: make() for kind, make in KINDS.items()}
    lines = []
    for length in LENGTHS:
        times: dict[tuple[str, bool], list[float]] = {}
        for _ in range(CALLS):
            for kind, model in models.items():
                for training in (False, True):
                    seconds = step(model.train(training), length, training)
                    times.setdefault((kind, training), []).append(seconds)
        cells = [f"{length:,}"]
        for kind, model in models.items():
            cells += [
                f"{1e3 * statistics.median(times[kind, training]):,.1f}"
                for training in (False, True)
            ]
            cells.append(f"{kept(model, length):,.1f}")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


def quality(folder: Path) -> list[str]:
    tables = load_study("demo")
    shared = {name: tables[name] for name in ("data", "loss", "train") if name in tables}
    sizes = {"hidden": 32, "layers": 2, "heads": 2, "feedforward": 64}
    variants = {
        "full": {"architecture": "transformer", **sizes},
        "induced, 16 points": {"architecture": "set_transformer", **sizes, "points": 16},
    }
    lines = []
    for task in shared["data"]["tasks"]:
        means = {}
        for name, model in variants.items():
            values = []
            for seed in SEEDS:
                method = {"name": "stl", "task": task}
                run = {**shared, "model": model, "method": method, "seed": seed}
                config = validate(RunConfig, run)
                splits = load_splits(config.data, config.evaluation)
                record = train(config, splits, folder / task / name.replace(" ", "_") / str(seed))
                values.append(record["metrics"]["test"]["ndcg@10"][task])
            means[name] = np.array(values)
            print(task, name, values, flush=True)
        difference = means["induced, 16 points"] - means["full"]
        error = difference.std(ddof=1) / len(SEEDS) ** 0.5
        cells = [f"{v.mean():.4f} ± {v.std(ddof=1):.4f}" for v in means.values()]
        lines.append(f"| {task} | {' | '.join(cells)} | {difference.mean():+.4f} ± {error:.4f} |")
    return lines


HEAD = f"""\
# Induced points against full attention

One list of so many documents, {FEATURES} features, two blocks of width 64, one thread on
{torch.backends.cpu.get_cpu_capability()} of a quiet machine: milliseconds of scoring and of a
training step without its update, with the default dropout of 0.3, and megabytes that a forward pass
keeps for its backward pass.

| documents | full: scoring | step | MB | 16 points: scoring | step | MB |
| --: | --: | --: | --: | --: | --: | --: |
"""
QUALITY = f"""
NDCG@10 on the demo's test lists, single-task training with {len(SEEDS)} seeds each (± standard
deviation over seeds), and the difference over seeds (± standard error).

| task | full | 16 points | difference |
| --- | --: | --: | --: |
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--costs", action="store_true", help="measure no quality")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = HEAD + "\n".join(costs()) + "\n"
    if not options.costs:
        with tempfile.TemporaryDirectory() as folder:
            text += QUALITY + "\n".join(quality(Path(folder))) + "\n"
    print(text)
    (FOLDER / "results" / "set_attention.md").write_text(text)


if __name__ == "__main__":
    main()
