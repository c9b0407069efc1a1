"""Rankers against boosted trees on MQ2008: which part of a network is worth what.

    python benchmarks/ranker_quality.py --data MQ2008/Fold1
    python benchmarks/ranker_quality.py --only mlp trees      a part, to run several at once

All choices come first and see the training and validation lists alone. These are cut into fifths:
three train, one chooses the epoch or the number of trees, one measures, five times round, so that
every list is measured once. The trees' options and each network's learning rate are those with the
best mean there; so is the best network. Then each is trained with five seeds on the fold as it
comes, and its test lists are measured. Runs that are done are kept in `--runs`. Without the data
nothing is done.
"""

import argparse
import copy
import sys
from dataclasses import dataclass
from functools import cache
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

import ltr_data
from ltr_data import LabelSpec, Standardize
from ltr_data.datasets import letor
from mtl2r_bench.analysis.bootstrap import Bootstrap, basic_interval
from mtl2r_bench.config import RunConfig, validate
from mtl2r_bench.data.splits import Splits, load_splits
from mtl2r_bench.training.run import train

FOLDER = Path(__file__).parent
SEEDS = (42, 43, 44, 45, 46)
ROTATIONS = 5
METRIC, TASK, TREES = "ndcg@10", "relevance", "trees"
LEARNING_RATES = (5e-4, 2e-3)

MLP = {"architecture": "mlp", "hidden": [64, 64], "dropout": 0.4}
CONTEXT = {"hidden": 64, "heads": 2, "feedforward": 128, "dropout": 0.4}
LATENT_CROSS = {"architecture": "latent_cross", **CONTEXT, "blocks": 1}
SET_TRANSFORMER = {"architecture": "set_transformer", **CONTEXT, "points": 16}
SOFT = {"distillation": {"weight": 0.5}}


def layer(kind: str, **options: Any) -> dict[str, Any]:
    return {"feature_layers": [{"kind": kind, **options}]}


NOISE, BINS = layer("noise", sigma=0.1), layer("piecewise_linear", bins=8)

# MQ2008's features are scaled to [0, 1] within each query: no logarithm. Its lists are few: a small
# network, and a loss that counts pairs by the difference of their labels.
BASE: dict[str, Any] = {
    "data": {"tasks": [TASK], "transform": "standardize"},
    "model": {**CONTEXT, "layers": 2},
    "loss": {"name": "lambda", "options": {"scheme": "labeldiff"}},
    "train": {"epochs": 30, "batch_size": 8, "schedule": "cosine"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "transformer + members": {"model": {"members": 8}},
    "latent cross": {"model": LATENT_CROSS},
    "latent cross + members": {"model": {**LATENT_CROSS, "members": 8}},
    "set transformer": {"model": SET_TRANSFORMER},
    "set transformer + members": {"model": {**SET_TRANSFORMER, "members": 8}},
    "mlp": {"model": MLP},
    "mlp + noise": {"model": {**MLP, **NOISE}},
    "mlp + piecewise linear": {"model": {**MLP, **BINS}},
    "mlp + cross": {"model": {**MLP, **layer("cross", layers=1)}},
    "mlp + distillation": {"model": MLP, "train": SOFT},
    "mlp + members": {"model": {**MLP, "members": 16}},
    "mlp + members + noise": {"model": {**MLP, "members": 16, **NOISE}},
    "mlp + members + piecewise linear": {"model": {**MLP, "members": 16, **BINS}},
    "mlp + members + distillation": {"model": {**MLP, "members": 16}, "train": SOFT},
    "wide mlp + members": {"model": {**MLP, "members": 16, "hidden": [128, 128]}},
}
TREE_OPTIONS = [
    {"num_leaves": leaves, "min_documents": documents, "truncation": truncation}
    for leaves, documents, truncation in product((7, 15, 31), (10, 50), (10, 30))
]


@dataclass(frozen=True)
class Candidate:
    """A ranker with all its options.

    Attributes:
        name: Of the ranker: trees, or a variant of the networks.
        option: What is chosen, for tables.
        method: Of the run's config.
        changes: To the tables of `BASE`.
    """

    name: str
    option: str
    method: dict[str, Any]
    changes: dict[str, dict[str, Any]]

    def config(self, data: Path, seed: int) -> RunConfig:
        tables = copy.deepcopy(BASE)
        for name, values in self.changes.items():
            replaced = "architecture" in values  # another architecture has other options
            tables[name] = values if replaced else {**tables[name], **values}
        tables["data"]["path"] = str(data)
        return validate(RunConfig, {**tables, "method": self.method, "seed": seed})

    def folder(self, runs: Path) -> Path:
        return runs / self.name.replace(" ", "_") / self.option.replace(" ", "_")


@dataclass(frozen=True)
class Row:
    """A ranker, what was chosen for it, and what was measured.

    Attributes:
        rotations: By option, (list,), NaN without a relevant document.
        chosen: The best of them.
        records: Of the runs on the fold as it comes, one per seed.
        test: (seed, list) of those.
    """

    rotations: dict[str, NDArray[np.float64]]
    chosen: Candidate
    records: list[dict[str, Any]]
    test: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.float64]:
        return self.rotations[self.chosen.option]


def candidates(name: str) -> list[Candidate]:
    if name == TREES:
        return [
            Candidate(
                name,
                " ".join(f"{key}={value}" for key, value in options.items()),
                {"name": "gbdt_ls", "preference": (1.0,), "options": options},
                {},
            )
            for options in TREE_OPTIONS
        ]
    changes = VARIANTS[name]
    return [
        Candidate(
            name,
            f"{rate:g}",
            {"name": "stl", "task": TASK},
            {**changes, "train": {**changes.get("train", {}), "learning_rate": rate}},
        )
        for rate in LEARNING_RATES
    ]


@cache
def rotations(data: Path) -> list[Splits]:
    """The training and validation lists, cut anew five times; each is tested on once."""
    paths = letor.find_splits(data)
    pool = ltr_data.open([paths["train"], paths["vali"]], [LabelSpec(TASK)])
    order = np.random.default_rng(0).permutation(len(pool))
    fifths = np.array_split(order, ROTATIONS)
    found = []
    for first in range(ROTATIONS):
        test, validation, *rest = fifths[first:] + fifths[:first]
        learned = pool.subset(np.concatenate(rest))
        found.append(
            Splits(
                train=learned,
                validation=pool.subset(validation),
                test=pool.subset(test),
                transform=Standardize.fit(learned.features, learned.feature_ids),
                source=f"{data}, training and validation lists, rotation {first}",
            )
        )
    return found


def trained(config: RunConfig, splits: Splits, folder: Path) -> tuple[dict[str, Any], Any]:
    """A run's record, and its metric on each test list."""
    record = train(config, splits, folder)
    table = pq.read_table(folder / "queries.parquet")
    wanted = (pc.field("split") == "test") & (pc.field("metric") == METRIC)
    return record, table.filter(wanted)["value"].to_numpy().astype(float)


def measured(name: str, data: Path, runs: Path) -> Row:
    rotated, options = {}, candidates(name)
    for option in options:
        config, folder = option.config(data, SEEDS[0]), option.folder(runs)
        parts = [
            trained(config, splits, folder / f"rotation{number}")[1]
            for number, splits in enumerate(rotations(data))
        ]
        rotated[option.option] = np.concatenate(parts)
        print(f"{name}, {option.option}: {np.nanmean(rotated[option.option]):.4f}", flush=True)
    chosen = max(options, key=lambda option: float(np.nanmean(rotated[option.option])))
    row = on_the_fold(chosen, rotated, data, runs)
    print(f"{name}: done", flush=True)  # the test figures stand in the table, at the end
    return row


def on_the_fold(
    chosen: Candidate, rotated: dict[str, NDArray[np.float64]], data: Path, runs: Path
) -> Row:
    """A ranker that is trained on the fold as it comes, with every seed."""
    records, test = [], []
    for seed in SEEDS:
        config = chosen.config(data, seed)
        splits = load_splits(config.data, config.evaluation)
        record, values = trained(config, splits, chosen.folder(runs) / f"seed{seed}")
        records.append(record)
        test.append(values)
    return Row(rotated, chosen, records, np.stack(test))


def trees_by_validation(data: Path, runs: Path) -> Row:
    """The trees as most would choose them: by the fold's validation lists, all seeds."""
    return max(
        (on_the_fold(option, {}, data, runs) for option in candidates(TREES)), key=validation
    )


def validation(row: Row) -> float:
    return float(np.mean([r["metrics"]["validation"][METRIC][TASK] for r in row.records]))


def interval(values: NDArray[np.float64]) -> str:
    """The mean over the lists that count and its 95 % interval."""
    counted = ~np.isnan(values)[None]
    bootstrap = Bootstrap(counted, np.zeros(len(values)), resamples=10_000)
    mean = np.nanmean(values)
    low, high = basic_interval(mean, bootstrap.means(values[None])[:, 0])
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def table(columns: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [columns, rule, *rows])


def chosen_line(row: Row, trees: Row, best: Row) -> list[str]:
    by_rate = [f"{np.nanmean(values):.4f}" for values in row.rotations.values()]
    return [
        row.chosen.name,
        *(["", f"{np.nanmean(row.best):.4f}"] if row is trees else by_rate),
        "" if row is trees else interval(row.best - trees.best),
        "" if row is best else interval(row.best - best.best),
    ]


def test_line(row: Row, trees: Row) -> list[str]:
    counts = ~np.isnan(row.test[0])
    mean, other = row.test.mean(axis=0), trees.test.mean(axis=0)
    spread = row.test[:, counts].mean(axis=1).std(ddof=1)
    return [
        row.chosen.name if row.rotations else f"{row.chosen.name}, by validation",
        f"{np.mean([record['parameters'] for record in row.records]):,.0f}",
        f"{validation(row):.4f}",
        f"{interval(mean)} ± {spread:.4f}",
        f"{np.where(counts, mean, 0.0).mean():.4f}",
        "" if row is trees else interval(mean - other),
        f"{np.mean([record['seconds'] for record in row.records]):.0f}",
    ]


TEXT = """\
# Rankers against boosted trees on MQ2008

LETOR 4.0, fold 1, NDCG@10. In brackets the 95 % interval of a bootstrap over lists, behind ± the
standard deviation over seeds; differences are paired over lists. Seconds were measured beside other
work.

## What was chosen, and what each part is worth

On the {pool} training and validation lists, of which {pool_relevant} have a relevant document, each
measured by a ranker that saw neither it nor its fifth of the lists (one seed). The best network is
**{best}**. As the best of several, it and the trees look
a little better here than they are.

{choices}

## On the test lists

Those that were chosen above, trained on the fold's training lists with {seeds} seeds; its
validation lists chose the epoch or the number of trees. Of the {lists} test lists {relevant} have a
relevant document; the others are left out, or count 0.

{tests}

The trees are LightGBM's lambdarank, stopped early, the best of {settings} settings on the
rotations: {options}. The best network has {network:.4f} against
their {trees:.4f}. Chosen by the fold's own validation lists instead, with
{other_options}, the trees have {others:.4f}; the network less these:
{difference}. So which is ahead on the test lists depends on how the trees
are chosen, and either difference is within what another draw of lists would bring.

Sizes, dropout and loss were set earlier, on the fold's validation lists, and test figures of those
first trials were seen, the trees' among them; nothing was chosen by them. The learning rates and
the rotations are newer than that.
"""


def text(rows: list[Row], others: Row) -> str:
    trees, *networks = rows
    best = max(networks, key=lambda row: float(np.nanmean(row.best)))
    rates = [f"at {rate:g}" for rate in LEARNING_RATES]
    heads = ["ranker", *rates, "less the trees", "less the best network"]
    tests = ["ranker", "parameters", "validation", "test", "empty lists 0", "less the trees", "s"]
    return TEXT.format(
        pool=len(trees.best),
        pool_relevant=int((~np.isnan(trees.best)).sum()),
        best=f"{best.chosen.name} (learning rate {best.chosen.option})",
        choices=table(heads, [chosen_line(row, trees, best) for row in rows]),
        seeds=len(SEEDS),
        lists=trees.test.shape[1],
        relevant=int((~np.isnan(trees.test[0])).sum()),
        tests=table(tests, [test_line(row, trees) for row in [trees, others, *networks]]),
        settings=len(TREE_OPTIONS),
        options=trees.chosen.option,
        network=np.nanmean(best.test),
        trees=np.nanmean(trees.test),
        other_options=others.chosen.option,
        others=np.nanmean(others.test),
        difference=interval(best.test.mean(axis=0) - others.test.mean(axis=0)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mq2008-fold1"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ranker_quality"))
    parser.add_argument("--only", nargs="+", choices=[TREES, *VARIANTS], default=[])
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"{options.data}: no such folder, nothing is measured")
        return
    torch.set_num_threads(1)
    wanted = options.only or [TREES, *VARIANTS]
    rows = [measured(name, options.data, options.runs) for name in wanted]
    if options.only:
        return
    written = text(rows, trees_by_validation(options.data, options.runs))
    print(written)
    (FOLDER / "results" / "ranker_quality.md").write_text(written)


if __name__ == "__main__":
    main()
