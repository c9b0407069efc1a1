"""Time of the preset ranker's step against its matrix products and against torch's own dropout.

    OMP_NUM_THREADS=1 python benchmarks/mtl2r_models.py          # writes results/mtl2r_models.md
    OMP_NUM_THREADS=1 python benchmarks/mtl2r_models.py --quick  # nothing written

Process CPU time on one thread, forward and backward of the mean square of the scores. The compared
calls alternate, and the best tenth of each is reported, as of the speeds. The floor is the
multiplications of the products (three times those of the forward pass, nothing computed again) at
the speed of a large product: the faster of torch's default and oneDNN, and torch's default alone.
A second table has what the parts of a step would take at the speed at which each is measured alone.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.pop(0)  # this folder, where the script's own name would stand for the package

from mtl2r_models import ListTransformer, MLPScorer, Scorer, cpu
from mtl2r_models.cpu import _dropout as dropout
from mtl2r_models.cpu import _products as products

LENGTH, FEATURES, HIDDEN, LAYERS, FEEDFORWARD, HEADS = 240, 132, 128, 4, 512, 4


def timed(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def linear_flops(batch: int) -> float:
    """Of the forward pass of the preset's linear maps."""
    layer = 4 * HIDDEN**2 + 2 * HIDDEN * FEEDFORWARD
    return 2.0 * batch * LENGTH * (FEATURES * HIDDEN + LAYERS * layer + HIDDEN)


def attention_flops(batch: int) -> float:
    """Of the forward pass of its attention."""
    return 2.0 * batch * LENGTH * LAYERS * 2 * LENGTH * HIDDEN


def flops(batch: int) -> float:
    """Of the forward pass."""
    return linear_flops(batch) + attention_flops(batch)


def best(times: list[float]) -> float:
    """The best tenth."""
    return statistics.quantiles(times, n=10)[0]


def each(function: Callable[[], object]) -> float:
    """Seconds of a short call: the best tenth of many."""
    return best([timed(function) for _ in range(50)])


def parts(batch: int, linear_speed: float) -> list[tuple[str, float, str]]:
    """What a step with dropout consists of: a name, seconds at the speed of each alone, and why."""
    width = HIDDEN // HEADS
    query, key = torch.randn(2, HEADS, LENGTH, width)
    weights = torch.empty(HEADS, LENGTH, LENGTH)
    bmm = each(lambda: torch.bmm(query, key.mT, out=weights)) / (2 * weights.numel() * width)
    softmax = each(lambda: torch.softmax(weights, dim=-1)) / weights.numel()
    noise, numbers = dropout.Noise(0.3, 0), torch.empty(256, 1024)
    number = each(lambda: noise.fill_(numbers)) / numbers.numel()
    logits = batch * LAYERS * weights.numel()
    tokens = batch * LENGTH * LAYERS
    drawn = 2 * logits + tokens * FEEDFORWARD + 4 * tokens * HIDDEN
    # Copies of what a step reads and writes once outside the caches: activations, forward and back.
    source = torch.randn(1 << 24)
    target = torch.empty_like(source)
    byte = each(lambda: target.copy_(source)) / (8 * source.numel())
    recomputed = 3.5 * attention_flops(batch)
    moved = 4.0 * tokens * (2 * FEEDFORWARD + 2 * 12 * HIDDEN)
    return [
        (
            "linear maps",
            3 * linear_flops(batch) / linear_speed,
            f"{3 * linear_flops(batch) / 1e9:.1f} GFLOP at {linear_speed / 1e9:.0f} GFLOP/s",
        ),
        (
            "attention's products",
            recomputed * bmm,
            f"{recomputed / 1e9:.1f} GFLOP (logits twice) at {1e-9 / bmm:.0f} GFLOP/s",
        ),
        (
            "attention's softmax",
            2 * logits * softmax,
            f"{2 * logits / 1e6:.0f} M weights (twice each) at {softmax * 1e9:.2f} ns",
        ),
        ("dropout's numbers", drawn * number, f"{drawn / 1e6:.0f} M at {number * 1e9:.2f} ns"),
        ("memory", moved * byte, f"{moved / 1e6:.0f} MB at {1e-9 / byte:.1f} GB/s"),
    ]


def step(
    model: Scorer, features: torch.Tensor, mask: torch.Tensor | None, *, half: bool = False
) -> Callable[[], object]:
    def run() -> None:
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            scores = model(features, mask)
        scores.float().square().mean().backward()

    return run


def with_torch_alone(run: Callable[[], object]) -> Callable[[], object]:
    def patched() -> None:
        with cpu.plain():
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
    parser.add_argument("--batch", type=int, default=16)
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
        "step, torch alone, dropout 0.3": with_torch_alone(step(model, features, None)),
        "step, torch alone, no dropout": with_torch_alone(step(plain, features, None)),
        "step, dropout 0.3, bfloat16": step(model, features, None, half=True),
        "step, no dropout": step(plain, features, None),
        "step, no dropout, mask": step(plain, features, mask),
        "forward in evaluation": forward(model, features),
        "MLP step, dropout 0.3": step(mlp, features, None),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    left, right = torch.randn(4096, 512), torch.randn(512, 512)
    ways: dict[str, Callable[[], object]] = {"torch": lambda: left @ right}
    if torch.backends.mkldnn.is_available():
        ways["oneDNN"] = lambda: products.multiply(left, right)
    products_times: dict[str, list[float]] = {name: [] for name in ways}
    for call in calls.values():
        call()
    start = time.perf_counter()
    while len(times["step, no dropout"]) < 3 or time.perf_counter() - start < arguments.seconds:
        for name, call in calls.items():
            times[name].append(timed(call))
            for way, multiply in ways.items():
                products_times[way].append(timed(multiply))
    work = 2.0 * 4096 * 512 * 512
    speeds = {way: work / best(found) for way, found in products_times.items()}
    fastest = max(speeds.values())
    lines = [
        "# mtl2r-models",
        "",
        f"{platform.machine()}, one thread, torch {torch.__version__}; {batch} lists of {LENGTH}",
        f"documents, the preset of {sum(p.numel() for p in model.parameters()):,} parameters.",
        f"Process CPU time, the best tenth of {len(times['step, no dropout'])} alternating calls.",
        "Large products run at "
        + ", ".join(f"{speed / 1e9:.0f} GFLOP/s ({way})" for way, speed in speeds.items())
        + ".",
        "",
        "| call | ms | ÷ floor | ÷ floor of torch's products | ÷ step, no dropout |",
        "| --- | --- | --- | --- | --- |",
    ]
    base = best(times["step, no dropout"])
    for name, found in times.items():
        seconds = best(found)
        operations = flops(batch) * (1 if name.startswith("forward") else 3)
        ratios = [seconds / (operations / speed) for speed in (fastest, speeds["torch"])]
        shown = " | ".join("" if name.startswith("MLP") else f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {name} | {seconds * 1e3:.0f} | {shown} | {seconds / base:.2f} |")
    lines += ["", "| part of a step with dropout | ms | |", "| --- | --- | --- |"]
    found_parts = parts(batch, fastest)
    lines += [f"| {name} | {seconds * 1e3:.0f} | {why} |" for name, seconds, why in found_parts]
    total = sum(seconds for _, seconds, _ in found_parts)
    lines.append(f"| together | {total * 1e3:.0f} | |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not arguments.quick:
        (Path(__file__).parent / "results" / "mtl2r_models.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
