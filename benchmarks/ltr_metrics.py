"""Metrics of ltr-losses against ranx and ir-measures, and several cut-offs against as many calls.

    python benchmarks/ltr_metrics.py
    python benchmarks/ltr_metrics.py --quick       few lists, nothing written

NDCG@10 of 10,000 lists of 120 documents, on one thread. Each library starts from what it works on:
tensors here, ranx's Qrels and Run, and pytrec_eval's dictionaries; building them is a row of its
own. Runs are interleaved; times are medians, ratios the medians of the ratios within a run.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

# This folder, where the script's own name would stand for the package.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_losses import ndcg

RESULT = Path(__file__).parent / "results" / "ltr_metrics.md"
CUTS = (1, 5, 10, 30)


def problem(lists: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(lists, n, generator=generator)
    return scores, torch.randint(0, 5, (lists, n), generator=generator)


def dictionaries(values: Tensor) -> dict[str, dict[str, float]]:
    return {
        f"q{q}": {f"d{d}": value for d, value in enumerate(row)}
        for q, row in enumerate(values.tolist())
    }


def peers(
    scores: Tensor, labels: Tensor
) -> tuple[dict[str, Callable[[], float]], dict[str, float]]:
    """The peers' calls, and the seconds it took to build what they take."""
    import ir_measures
    import ranx

    started = time.perf_counter()
    judged, found = dictionaries(labels), dictionaries(scores)
    seconds = {"dictionaries": time.perf_counter() - started}
    started = time.perf_counter()
    qrels, run = ranx.Qrels(judged), ranx.Run(found)
    seconds["Qrels and Run"] = time.perf_counter() - started
    measure = ir_measures.nDCG @ 10
    started = time.perf_counter()
    evaluator = ir_measures.evaluator([measure], judged)
    seconds["evaluator"] = time.perf_counter() - started
    return {
        "ranx, `ndcg@10`": lambda: float(ranx.evaluate(qrels, run, "ndcg@10")),
        "ir-measures, `nDCG@10`": lambda: evaluator.calc_aggregate(found)[measure],
    }, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    lists, n, repeats = (200, 120, 2) if options.quick else (10_000, 120, 9)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # numba's
    scores, labels = problem(lists, n)
    ours, several, apart = "ltr-losses, `ndcg(k=10)`", f"`ndcg(k={CUTS})`", "four calls of one `k`"
    calls: dict[str, Callable[[], float]] = {
        ours: lambda: float(ndcg(scores, labels, k=10, gain="linear")),
        several: lambda: float(ndcg(scores, labels, k=CUTS, gain="linear")[2]),
        apart: lambda: [float(ndcg(scores, labels, k=k, gain="linear")) for k in CUTS][2],
    }
    theirs, seconds = peers(scores, labels)
    calls |= theirs
    values = {name: call() for name, call in calls.items()}  # numba compiles
    assert np.allclose(list(values.values()), values[ours], atol=1e-5), values
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - started))
    rows = [
        f"| {name} | {statistics.median(times[name]):.1f} "
        f"| {statistics.median(t / o for t, o in zip(times[name], times[ours], strict=True)):.1f} |"
        for name in calls
    ]
    building = ", ".join(f"{what} {1e3 * s:.0f} ms" for what, s in seconds.items())
    about = (
        f"torch {torch.__version__}, one thread, {lists:,} lists of {n} documents, linear gain, "
        f"medians of {repeats} interleaved runs; the ratio is to `ndcg(k=10)`, the median within a "
        f"run. All calls agree on NDCG@10, {values[ours]:.6f}. Not counted, what is built once for "
        f"the peers: {building}."
    )
    table = ["| call | ms | ratio |", "| --- | --: | --: |", *rows]
    text = "\n".join(["# Speed of ltr-losses' metrics", "", about, "", *table])
    print(text)
    if not options.quick:
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
