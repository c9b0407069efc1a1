"""One conditioned ranker against ten warm-started ones, with as many gradients.

    python benchmarks/conditioned.py

Synthetic lists with two labels that conflict. Ten rankers are trained along the front by smooth
Chebyshev, each from the one before; the conditioned one sees as many batches in all. The
hypervolume is that of NDCG@10 on test, with each task's own training as the ideal and the other
task's as the reference point, as in the reports.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

# Not from this folder, whose files have the names of the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from mtl2r_bench.build import build_loss
from mtl2r_bench.config import RunConfig, validate
from mtl2r_bench.data import Splits, load_splits
from mtl2r_bench.epoch import Engine
from mtl2r_bench.evaluate import evaluate, scorer
from mtl2r_bench.group import ALONE
from mtl2r_bench.start import initial_state
from mtl2r_bench.train import train
from mtl_optim.pareto import evenly_spaced, hypervolume

FOLDER = Path(__file__).parent
RANKERS, EPOCHS, SEEDS = 10, 6, (42, 43, 44)
TABLES: dict[str, Any] = {
    "data": {
        "tasks": ["relevance", "quality"],
        "synthetic": {"train_queries": 300, "validation_queries": 100, "test_queries": 300},
    },
    "model": {"architecture": "mlp", "hidden": [64, 64], "dropout": 0.1},
    "loss": {"name": "softmax"},
    "train": {"epochs": EPOCHS, "batch_size": 16, "learning_rate": 2e-3},
    "evaluation": {"select_tasks": "last"},
}
RAYS = evenly_spaced(RANKERS, margin=0.05).tolist()


def config(seed: int, **method: Any) -> RunConfig:
    return validate(RunConfig, {**TABLES, "method": method, "seed": seed})


def test_values(record: dict[str, Any]) -> list[float]:
    values = record["metrics"]["test"]["ndcg@10"]
    return [values[task] for task in TABLES["data"]["tasks"]]


def warm_started(seed: int, splits: Splits) -> tuple[np.ndarray, int]:
    """(ranker, task) test metrics, and the parameters of all rankers."""
    run = config(seed, name="soft_wc", preference=RAYS[0])
    state = initial_state(run, splits, [0, 1], ALONE)
    engine = Engine(run, splits.train, state, build_loss(run.loss), [0, 1])
    found = []
    for ray in RAYS:
        state.method.preference.copy_(torch.tensor(ray))
        for _ in range(EPOCHS):
            engine.run_epoch(lambda _: None)
            state.next_epoch()
        assert splits.test is not None
        score = scorer(state.evaluated, torch.device("cpu"))
        found.append(evaluate(score, splits.test, run.evaluation).at(10))
    size = sum(p.numel() for p in state.ranker.parameters())
    return np.array(found), RANKERS * size


def conditioned(seed: int, splits: Splits, folder: Path) -> tuple[np.ndarray, int]:
    """The same of the conditioned ranker."""
    records = []
    for ray in RAYS:
        options = {"passes": RANKERS}
        run = config(seed, name="conditioned", preference=ray, options=options)
        records.append(train(run, splits, folder / f"{ray[0]:.3f}"))
    return np.array([test_values(record) for record in records]), records[0]["parameters"]


def measured(values: np.ndarray, ideal: np.ndarray, reference: np.ndarray) -> tuple[float, ...]:
    """Hypervolume in the box of the baselines, and how well each task follows the preference."""
    scaled = torch.from_numpy((ideal - values) / (ideal - reference))
    order = [spearmanr([ray[k] for ray in RAYS], values[:, k]).statistic for k in (0, 1)]
    return (float(hypervolume(scaled, torch.ones(2, dtype=torch.float64))), *order)


HEAD = f"""\
# A conditioned ranker against {RANKERS} warm-started ones

Synthetic lists with two labels, a perceptron with two layers of 64, {RANKERS} preferences from
{RAYS[0][0]:g} to {RAYS[-1][0]:g}, {RANKERS * EPOCHS} epochs in all for both. Hypervolume of NDCG@10
on test, 1 at the point where both tasks are as good as alone; ρ is Spearman's, between a task's
weight and its metric.

| seed | rankers | stored parameters | hypervolume | ρ relevance | ρ quality |
| --- | --- | --: | --: | --: | --: |
"""


def main() -> None:
    torch.set_num_threads(1)
    lines, ratios = [], []
    for seed in SEEDS:
        splits = load_splits(config(seed, name="mgda").data, config(seed, name="mgda").evaluation)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            alone = [
                train(config(seed, name="stl", task=task), splits, folder / task)
                for task in TABLES["data"]["tasks"]
            ]
            payoff = np.array([test_values(record) for record in alone])
            ideal, reference = payoff.diagonal(), payoff[::-1].diagonal()
            several = warm_started(seed, splits)
            one = conditioned(seed, splits, folder / "conditioned")
        rows = {f"{RANKERS} warm-started": several, "one conditioned": one}
        volumes = []
        for label, (values, size) in rows.items():
            volume, *order = measured(values, ideal, reference)
            volumes.append(volume)
            cells = [str(seed), label, f"{size:,}", f"{volume:.4f}", *(f"{o:+.2f}" for o in order)]
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
        ratios.append((volumes[1] / volumes[0], one[1] / several[1]))
    volume, size = np.mean(ratios, axis=0)
    foot = (
        f"\n\nThe conditioned ranker has {100 * volume:.1f} % of the hypervolume at "
        f"{100 * size:.1f} % of the parameters (means over seeds).\n"
    )
    text = HEAD + "\n".join(lines) + foot
    print(text)
    (FOLDER / "results" / "conditioned.md").write_text(text)


if __name__ == "__main__":
    main()
