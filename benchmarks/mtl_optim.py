"""Time of mtl-optim against the memory's speed, a plain step, and TorchJD where it is installed.

    OMP_NUM_THREADS=1 python benchmarks/mtl_optim.py          # writes results/mtl_optim.md
    OMP_NUM_THREADS=1 python benchmarks/mtl_optim.py --quick  # n = 1e5 alone, nothing written

Process CPU time on one thread, so that other users of the machine count little. The compared calls
alternate, and the medians are reported. The floor of an aggregation is the time to read J twice and
write d, (2K + 1) 4n bytes at the measured speed of a read.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.pop(0)  # this folder, where the script's own name would stand for the package

import mtl_optim  # after the path
from mtl_optim._gradients import accumulate_combined
from mtl_optim._gramian import gramian

try:
    from torchjd import aggregation as torchjd
except ImportError:
    torchjd = None

METHODS: dict[str, tuple[Callable[[], mtl_optim.GramianWeighting], str, dict[str, object]]] = {
    "MGDA": (mtl_optim.MGDA, "MGDA", {}),
    "PCGrad": (mtl_optim.PCGrad, "PCGrad", {}),
    "CAGrad": (mtl_optim.CAGrad, "CAGrad", {"c": 0.5}),
    "IMTLG": (mtl_optim.IMTLG, "IMTLG", {}),
    "NashMTL": (mtl_optim.NashMTL, "NashMTL", {"n_tasks": 0}),
    "UPGrad": (mtl_optim.UPGrad, "UPGrad", {}),
    "DualProj": (mtl_optim.DualProj, "DualProj", {}),
    "AlignedMTL": (mtl_optim.AlignedMTL, "AlignedMTL", {}),
    "ConFIG": (mtl_optim.ConFIG, "ConFIG", {}),
    "FairGrad": (mtl_optim.FairGrad, "FairGrad", {"alpha": 1.0}),
    "GradVac": (mtl_optim.GradVac, "GradVac", {}),
}


def timed(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def medians(functions: list[Callable[[], object]], seconds: float, least: int = 3) -> list[float]:
    """The median time of each, in alternation."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    start = time.perf_counter()
    while len(times[0]) < least or (time.perf_counter() - start < seconds and len(times[0]) < 200):
        for function, found in zip(functions, times, strict=True):
            found.append(timed(function))
    return [statistics.median(found) for found in times]


def read_speed() -> float:
    """Bytes per second of a sum over 256 MB."""
    x = torch.ones(64_000_000)
    return x.numel() * 4 / min(timed(x.sum) for _ in range(5))


def theirs(name: str, tasks: int) -> Callable[[Tensor], object] | None:
    _, known, options = METHODS[name]
    if torchjd is None or not hasattr(torchjd, known):
        return None
    try:
        if "n_tasks" in options:
            options = {"n_tasks": tasks}
        return getattr(torchjd, known)(**options)
    except (ImportError, TypeError) as error:
        print(f"TorchJD's {known} left out: {error}")
        return None


def aggregations(sizes: list[int], speed: float, seconds: float) -> list[str]:
    lines = ["| method | K | n | ms | ÷ floor | TorchJD ms | TorchJD ÷ ours |", "| --- " * 7 + "|"]
    for n in sizes:
        for tasks in (2, 5, 10, 40):
            if n * tasks > 100_000_000:
                continue  # J alone would take 1.6 GB
            generator = torch.Generator().manual_seed(tasks)
            J = torch.randn(tasks, n, generator=generator)
            J -= 0.5 * J.mean(dim=0)
            p = torch.zeros(n, requires_grad=True)
            p.grad = torch.zeros(n)
            floor = (2 * tasks + 1) * 4 * n / speed
            for name, (make, _, _) in METHODS.items():
                method = make()
                rows: list[list[Tensor | None]] = [[row] for row in J]

                def ours(method=method, rows=rows, p=p) -> None:
                    weights = method.weights(gramian=gramian(rows))
                    accumulate_combined([p], rows, weights)

                other = theirs(name, tasks)
                calls = [ours] if other is None else [ours, lambda other=other, J=J: other(J)]
                found = medians(calls, seconds)
                line = f"| {name} | {tasks} | {n:.0e} | {found[0] * 1e3:.2f} "
                line += f"| {found[0] / floor:.1f} |"
                line += f" {found[1] * 1e3:.2f} | {found[1] / found[0]:.1f} |" if other else " | |"
                print(line, flush=True)
                lines.append(line)
    return lines


def mlp(width: int = 256) -> tuple[nn.Module, Tensor]:
    layers = [nn.Linear(width, width), nn.ReLU()] * 1
    trunk = nn.Sequential(*layers, nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
    return trunk, torch.randn(512, width)


def transformer(width: int = 64) -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(width, 4, 128, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), torch.randn(8, 40, width)


def steps(seconds: float) -> list[str]:
    lines = [
        "| trunk | K | plain step ms | feature route ÷ plain | exact route ÷ plain | 1/3 + 2K/3 |",
        "| --- " * 6 + "|",
    ]
    for make in (mlp, transformer):
        for tasks in (2, 5, 10, 40):
            torch.manual_seed(0)
            trunk, x = make()
            heads = nn.ModuleList(nn.Linear(x.shape[-1], 1) for _ in range(tasks))
            y = torch.randn(tasks, *x.shape[:-1])
            parameters = [*trunk.parameters(), *heads.parameters()]
            method = mtl_optim.MGDA()

            def forward(trunk=trunk, heads=heads, x=x, y=y, parameters=parameters):
                for p in parameters:
                    p.grad = None
                features = trunk(x)
                return features, [
                    ((head(features)[..., 0] - target) ** 2).mean()
                    for head, target in zip(heads, y, strict=True)
                ]

            def plain(forward=forward) -> None:
                torch.stack(forward()[1]).sum().backward()

            def by_features(forward=forward, method=method) -> None:
                features, losses = forward()
                mtl_optim.backward(losses, method, features=features)

            def exact(forward=forward, method=method, trunk=trunk) -> None:
                mtl_optim.backward(forward()[1], method, shared=trunk.parameters())

            found = medians([plain, by_features, exact], seconds)
            line = (
                f"| {make.__name__} | {tasks} | {found[0] * 1e3:.2f} | {found[1] / found[0]:.2f} "
                f"| {found[2] / found[0]:.2f} | {1 / 3 + 2 * tasks / 3:.2f} |"
            )
            print(line, flush=True)
            lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.5, help="per row of the tables")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    speed = read_speed()
    sizes = [100_000] if arguments.quick else [100_000, 1_000_000, 10_000_000]
    whole = steps(arguments.seconds)
    table = aggregations(sizes, speed, arguments.seconds)
    peer = "not installed" if torchjd is None else "installed from the package index"
    text = "\n".join(
        [
            "# mtl-optim",
            "",
            f"{platform.machine()}, one thread, torch {torch.__version__}; TorchJD {peer}.",
            "Process CPU time, medians of alternating calls. A step is forward and backward.",
            f"A read runs at {speed / 1e9:.1f} GB/s; the floor is (2K + 1) 4n bytes at that speed.",
            "",
            "## Whole steps (MGDA)",
            "",
            *whole,
            "",
            "## Aggregation of a float32 Jacobian",
            "",
            *table,
            "",
        ]
    )
    if not arguments.quick:
        (Path(__file__).parent / "results" / "mtl_optim.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
