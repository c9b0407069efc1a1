"""Rankers against boosted trees on MQ2008: which part of a network is worth what.

    python benchmarks/ranker_quality.py --data MQ2008/Fold1
    python benchmarks/ranker_quality.py --only "mlp + members" trees     a part, to run two at once

Every variant is trained with five seeds. Validation chooses the epoch, the number of trees, the
trees' options and the best variant; test is measured once. Runs that are done are kept in `--runs`.
The interval of a mean is a bootstrap over test lists of the seeds' mean per list; differences to
the trees are paired over the same lists. Without the data nothing is done.
"""

import argparse
import copy
import dataclasses
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

# Not from this folder, whose files have the names of the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from mtl2r_bench.config import RunConfig, validate
from mtl2r_bench.data import load_splits
from mtl2r_bench.train import train

FOLDER = Path(__file__).parent
SEEDS = (42, 43, 44, 45, 46)
METRIC, TASK = "ndcg@10", "relevance"
RESAMPLES = 10_000

MLP = {"architecture": "mlp", "hidden": [64, 64], "dropout": 0.4}
MEMBERS = {**MLP, "members": 16}
CONTEXT = {"hidden": 64, "heads": 2, "feedforward": 128, "dropout": 0.4}
SOFT = {"distillation": {"weight": 0.9}}


def layer(kind: str, **options: Any) -> dict[str, Any]:
    return {"feature_layers": [{"kind": kind, **options}]}


# MQ2008's features are scaled to [0, 1] within each query: no logarithm. Its lists are few: a small
# network, and a loss that counts pairs by the difference of their labels.
BASE: dict[str, Any] = {
    "data": {"tasks": [TASK], "transform": "standardize"},
    "model": {**CONTEXT, "layers": 2},
    "loss": {"name": "lambda", "options": {"scheme": "labeldiff"}},
    "train": {"epochs": 20, "batch_size": 8, "learning_rate": 5e-4},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "transformer + members": {"model": {"members": 8}},
    "latent cross": {"model": {"architecture": "latent_cross", **CONTEXT, "blocks": 1}},
    "set transformer": {"model": {"architecture": "set_transformer", **CONTEXT, "points": 16}},
    "mlp": {"model": MLP},
    "mlp + noise": {"model": {**MLP, **layer("noise", sigma=0.1)}},
    "mlp + piecewise linear": {"model": {**MLP, **layer("piecewise_linear", bins=8)}},
    "mlp + cross": {"model": {**MLP, **layer("cross", layers=1)}},
    "mlp + distillation": {"model": MLP, "train": SOFT},
    "mlp + members": {"model": MEMBERS},
    "mlp + members + noise": {"model": {**MEMBERS, **layer("noise", sigma=0.1)}},
    "mlp + members + distillation": {"model": MEMBERS, "train": SOFT},
    "mlp + members, 40 epochs": {"model": MEMBERS, "train": {"epochs": 40}},
    "wide mlp + members": {"model": {**MEMBERS, "hidden": [128, 128]}},
}
TREES = [
    {"num_leaves": leaves, "min_documents": documents, "truncation": truncation}
    for leaves, documents, truncation in product((7, 15, 31), (10, 50), (10, 30))
]


@dataclass(frozen=True)
class Row:
    """A variant and what was measured."""

    name: str
    records: list[dict[str, Any]]
    validation: float
    lists: NDArray[np.float64]  # (seed, test list), NaN without a relevant document


def config(data: Path, seed: int, method: dict[str, Any], changes: dict[str, Any]) -> RunConfig:
    tables = copy.deepcopy(BASE)
    for name, values in changes.items():
        replaced = "architecture" in values  # another architecture has other options
        tables[name] = values if replaced else {**tables.get(name, {}), **values}
    tables["data"]["path"] = str(data)
    return validate(RunConfig, {**tables, "method": method, "seed": seed})


def trained(name: str, folder: Path, configs: list[RunConfig]) -> Row:
    records, lists = [], []
    for run in configs:
        splits = load_splits(run.data, run.evaluation)
        records.append(train(run, splits, folder / f"s{run.seed}"))
        table = pq.read_table(folder / f"s{run.seed}" / "queries.parquet")
        wanted = (pc.field("split") == "test") & (pc.field("metric") == METRIC)
        lists.append(table.filter(wanted)["value"].to_numpy().astype(float))
    validation = np.mean([record["metrics"]["validation"][METRIC][TASK] for record in records])
    value = np.mean([record["metrics"]["test"][METRIC][TASK] for record in records])
    print(f"{name}: validation {validation:.4f}, test {value:.4f}", flush=True)
    return Row(name, records, float(validation), np.stack(lists))


def best_trees(data: Path, runs: Path) -> Row:
    rows = []
    for options in TREES:
        named = "-".join(str(value) for value in options.values())
        method = {"name": "gbdt_ls", "preference": (1.0,), "options": options}
        configs = [config(data, seed, method, {}) for seed in SEEDS]
        rows.append(trained(f"trees {options}", runs / "trees" / named, configs))
    best = max(rows, key=lambda row: row.validation)
    return dataclasses.replace(best, name="boosted trees (LightGBM)")


def interval(values: NDArray[np.float64]) -> str:
    """The mean over lists and its 95 % interval."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return f"{values.mean():.4f} [{low:.4f}, {high:.4f}]"


def line(row: Row, trees: Row) -> str:
    counts = ~np.isnan(row.lists[0])
    mean, other = row.lists.mean(axis=0), trees.lists.mean(axis=0)
    difference = "" if row is trees else interval((mean - other)[counts])
    spread = row.lists[:, counts].mean(axis=1).std(ddof=1)
    parameters = np.mean([record["parameters"] for record in row.records])
    cells = [
        row.name,
        f"{parameters:,.0f}",
        f"{row.validation:.4f}",
        f"{interval(mean[counts])} ± {spread:.4f}",
        f"{np.where(counts, mean, 0.0).mean():.4f}",
        difference,
        f"{np.mean([record['seconds'] for record in row.records]):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = """\
# Rankers against boosted trees on MQ2008

LETOR 4.0, fold 1: NDCG@10 on its {lists} test lists, of which {relevant} have a relevant document.
Each row has {seeds} seeds; validation chose the epoch or the number of trees. In brackets the 95 %
interval of a bootstrap over lists, behind ± the standard deviation over seeds; differences to the
trees are paired over the lists. Seconds were measured beside other work.

| ranker | parameters | validation | test, empty lists left out | test, empty lists 0 | less the \
trees' | s a run |
| --- | --: | --: | --: | --: | --: | --: |
"""
FOOT = """

The trees are LightGBM's lambdarank, stopped early, the best on validation of {settings} settings
({options}). The best network on
validation is "{best}", with {network:.4f} on test against the trees' {trees:.4f}.
"""


def table(rows: list[Row], trees: Row) -> str:
    best = max((row for row in rows if row is not trees), key=lambda row: row.validation)
    options = trees.records[0]["method"]["options"]
    head = HEAD.format(
        lists=trees.lists.shape[1],
        relevant=int((~np.isnan(trees.lists[0])).sum()),
        seeds=len(SEEDS),
    )
    foot = FOOT.format(
        settings=len(TREES),
        options=", ".join(f"{name} {value}" for name, value in options.items()),
        best=best.name,
        network=np.nanmean(best.lists),
        trees=np.nanmean(trees.lists),
    )
    return head + "\n".join(line(row, trees) for row in rows) + foot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mq2008-fold1"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ranker_quality"))
    parser.add_argument("--only", nargs="+", choices=["trees", *VARIANTS], default=[])
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"{options.data}: no such folder, nothing is measured")
        return
    torch.set_num_threads(1)
    wanted = options.only or ["trees", *VARIANTS]
    rows = [best_trees(options.data, options.runs)] if "trees" in wanted else []
    for name in wanted:
        if name != "trees":
            method = {"name": "stl", "task": TASK}
            configs = [config(options.data, seed, method, VARIANTS[name]) for seed in SEEDS]
            rows.append(trained(name, options.runs / name.replace(" ", "_"), configs))
    if options.only:
        return
    text = table(rows, rows[0])
    print(text)
    (FOLDER / "results" / "ranker_quality.md").write_text(text)


if __name__ == "__main__":
    main()
