"""Time of the preset ranker's step against its matrix products and against torch's own dropout.

    OMP_NUM_THREADS=1 python benchmarks/mtl2r_models.py          # writes results/mtl2r_models.md
    OMP_NUM_THREADS=1 python benchmarks/mtl2r_models.py --quick  # nothing written

Process CPU time on one thread, forward and backward of the mean square of the scores. The compared
calls alternate, and the medians are reported. The floor is the multiplications of the products
(three times those of the forward pass) at the best speed of a large product, measured in between.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch

sys.path.pop(0)  # this folder, where the script's own name would stand for the package

from mtl2r_models import ListTransformer, MLPScorer, Scorer, attention, dropout

LENGTH, FEATURES, HIDDEN, LAYERS, FEEDFORWARD = 240, 132, 128, 4, 512


def timed(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def flops(batch: int) -> float:
    """Of the forward pass of the preset: its projections and its attention."""
    layer = 4 * HIDDEN**2 + 2 * HIDDEN * FEEDFORWARD + 2 * LENGTH * HIDDEN
    return 2.0 * batch * LENGTH * (FEATURES * HIDDEN + LAYERS * layer + HIDDEN)


def step(model: Scorer, features: torch.Tensor, mask: torch.Tensor | None) -> Callable[[], object]:
    def run() -> None:
        model.zero_grad()
        model(features, mask).square().mean().backward()

    return run


def with_torchs_dropout(run: Callable[[], object]) -> Callable[[], object]:
    def patched() -> None:
        with (
            patch.object(attention, "is_drawn_here", lambda _: False),
            patch.object(dropout, "is_drawn_here", lambda _: False),
        ):
            run()

    return patched


def forward(model: Scorer, features: torch.Tensor) -> Callable[[], object]:
    def run() -> None:
        with torch.no_grad():
            model.eval()(features)
            model.train()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = 8 if arguments.quick else arguments.batch
    features = torch.randn(batch, LENGTH, FEATURES)
    mask = torch.ones(batch, LENGTH, dtype=torch.bool)
    mask[:, -1] = False  # as little padding as makes a mask
    model, plain = ListTransformer(FEATURES), ListTransformer(FEATURES, dropout=0.0)
    mlp = MLPScorer(FEATURES)
    calls = {
        "step, dropout 0.3": step(model, features, None),
        "step, dropout 0.3, mask": step(model, features, mask),
        "step, torch's dropout 0.3": with_torchs_dropout(step(model, features, None)),
        "step, torch's dropout 0.3, mask": with_torchs_dropout(step(model, features, mask)),
        "step, no dropout": step(plain, features, None),
        "step, no dropout, mask": step(plain, features, mask),
        "forward in evaluation": forward(model, features),
        "MLP step, dropout 0.3": step(mlp, features, None),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    left, right = torch.randn(4096, 512), torch.randn(512, 512)
    speeds = []
    for call in calls.values():
        call()
    start = time.perf_counter()
    while len(speeds) < 3 or time.perf_counter() - start < arguments.seconds:
        for name, call in calls.items():
            times[name].append(timed(call))
            speeds.append(2.0 * 4096 * 512 * 512 / timed(lambda: left @ right))
    speed = statistics.quantiles(speeds, n=10)[-1]
    lines = [
        "# mtl2r-models",
        "",
        f"{platform.machine()}, one thread, torch {torch.__version__}; {batch} lists of {LENGTH}",
        f"documents, the preset of {sum(p.numel() for p in model.parameters()):,} parameters.",
        f"Process CPU time, medians of {len(times['step, no dropout'])} alternating calls. A large",
        f"product runs at {speed / 1e9:.0f} GFLOP/s (best tenth).",
        "",
        "| call | ms | ÷ floor | ÷ step, no dropout |",
        "| --- | --- | --- | --- |",
    ]
    base = statistics.median(times["step, no dropout"])
    for name, found in times.items():
        median = statistics.median(found)
        floor = flops(batch) * (1 if name.startswith("forward") else 3) / speed
        ratio = "" if name.startswith("MLP") else f"{median / floor:.2f}"
        lines.append(f"| {name} | {median * 1e3:.0f} | {ratio} | {median / base:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not arguments.quick:
        (Path(__file__).parent / "results" / "mtl2r_models.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
