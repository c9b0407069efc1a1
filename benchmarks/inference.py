"""Scoring a file with the bench's `predict` against the bare forward pass of the same network.

    python benchmarks/inference.py                      # writes results/inference.md
    python benchmarks/inference.py --documents 50000    # not a million, nothing written

The WEB30K preset on synthetic lists of WEB30K's lengths. The bare pass has its batches, transformed
and of lists of like length, ready in memory; `predict` maps the converted file, selects columns,
transforms, scores, puts the documents into the file's order and writes a line for each. The two
alternate, and the median of the ratios is reported.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

# This folder, where other scripts' names would stand for the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_data import LogStandardize, RankingDataset, write_svmrank
from ltr_data.datasets import resolve_inputs, resolve_tasks, synthetic
from mtl2r_bench.data.splits import open_inputs
from mtl2r_bench.evaluation.evaluate import evaluation_batches
from mtl2r_bench.evaluation.predict import inputs_of, predict
from mtl2r_models import ListTransformer, Ranker

RESULT = Path(__file__).parent / "results" / "inference.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = synthetic.generate(max(1, options.documents // 120), seed=0)
        specs = resolve_tasks(("relevance",), table.feature_ids, preset="paper")
        inputs = resolve_inputs("paper", specs, table.feature_ids)
        data = RankingDataset.from_table(table, specs, inputs)
        ranker = Ranker(
            ListTransformer(len(data.feature_ids)),
            transform=LogStandardize.fit(data.features, data.feature_ids),
            feature_ids=data.feature_ids,
        ).eval()
        ranker.save(folder / "ranker")
        write_svmrank(folder / "data.txt", table)
        del table, data
        start = time.perf_counter()
        mapped = open_inputs(folder / "data.txt", inputs_of(ranker), folder / "cache")
        converted = time.perf_counter() - start
        documents = mapped.num_documents
        with torch.inference_mode():
            ready = [
                (ranker.transform(batch.features), batch.mask)
                for _, batch in evaluation_batches(mapped)
            ]
        bare, whole = [], []
        for _ in range(options.rounds):
            start = time.perf_counter()
            with torch.inference_mode():
                for features, mask in ready:
                    ranker.model(features, mask)
            bare.append(time.perf_counter() - start)
            start = time.perf_counter()
            arguments = (folder / "ranker", folder / "data.txt", folder / "scores.txt")
            predict(*arguments, cache=folder / "cache")
            whole.append(time.perf_counter() - start)
            print(f"bare {bare[-1]:.2f} s, predict {whole[-1]:.2f} s", flush=True)
    ratio = statistics.median(b / w for b, w in zip(bare, whole, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    text = f"""# Inference

`python benchmarks/inference.py`, {os.cpu_count()} processors ({platform.machine()}), torch
{torch.__version__}, {documents:,} documents, medians of {options.rounds} alternating rounds.

| | documents/s |
| --- | --- |
| bare forward pass, batches ready | {documents / statistics.median(bare):,.0f} |
| `mtl2r_bench.evaluation.predict`, file to file | {documents / statistics.median(whole):,.0f} |

`predict` has {ratio:.2f} of the bare pass's throughput. Before the first time the file was
converted in {converted:.1f} s. Peak of the benchmark, with its batches in memory: {peak:,.0f} MB.
"""
    print(text)
    if options.documents == parser.get_default("documents"):
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
