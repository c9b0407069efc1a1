"""Time and memory of mtl-optim against the memory's speed, a plain step, and TorchJD.

    OMP_NUM_THREADS=1 python benchmarks/mtl_optim.py              # writes results/mtl_optim.md
    OMP_NUM_THREADS=1 python benchmarks/mtl_optim.py --quick      # n = 1e5 alone, nothing written
    OMP_NUM_THREADS=1 python benchmarks/mtl_optim.py --seconds 1  # longer, per row of the tables

Process CPU time on one thread, so that other users of the machine count little. The compared calls
alternate, and the medians are reported. The floor of an aggregation is the time to read J twice and
write d, (2K + 1) 4n bytes at the measured speed of a read. TorchJD is compared where it is
installed: `pip install torchjd[full]`, and ecos for its NashMTL.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

# One thread for NumPy's and SciPy's libraries too, which look here when they are first imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch
from torch import Tensor, nn

sys.path.pop(0)  # this folder, where the script's own name would stand for the package

import mtl_optim  # after the path
from mtl_optim._gradients import Rows, accumulate, accumulate_combined, stacked
from mtl_optim._gramian import gramian, products_dtype, resolved

try:
    from torchjd import aggregation as torchjd
except ImportError:
    torchjd = None

TASKS = (2, 5, 10, 40)
MANY = 500  # tasks at the least n alone: there the weights are the cost

Theirs = Callable[[int], Callable[[Tensor], object]]


def weighted(make: Callable[[], Callable[[Tensor], Tensor]]) -> Theirs:
    """A TorchJD weighting of a matrix between two batches, here of one."""

    def made(tasks: int) -> Callable[[Tensor], object]:
        weighting = make()
        return lambda J: weighting(J @ J.T) @ J

    return made


METHODS: dict[str, tuple[Callable[[], torch.nn.Module], Theirs]] = {
    "MGDA": (mtl_optim.MGDA, lambda K: torchjd.MGDA()),
    "PCGrad": (mtl_optim.PCGrad, lambda K: torchjd.PCGrad()),
    "CAGrad": (mtl_optim.CAGrad, lambda K: torchjd.CAGrad(c=0.5)),
    "IMTLG": (mtl_optim.IMTLG, lambda K: torchjd.IMTLG()),
    "NashMTL": (mtl_optim.NashMTL, lambda K: torchjd.NashMTL(n_tasks=K)),
    "UPGrad": (mtl_optim.UPGrad, lambda K: torchjd.UPGrad()),
    "DualProj": (mtl_optim.DualProj, lambda K: torchjd.DualProj()),
    "AlignedMTL": (mtl_optim.AlignedMTL, lambda K: torchjd.AlignedMTL()),
    "ConFIG": (mtl_optim.ConFIG, lambda K: torchjd.ConFIG()),
    "FairGrad": (mtl_optim.FairGrad, lambda K: torchjd.FairGrad(alpha=1.0)),
    "GradVac": (mtl_optim.GradVac, lambda K: torchjd.GradVac()),
    "GradDrop": (mtl_optim.GradDrop, lambda K: torchjd.GradDrop()),
    "ExcessMTL": (
        mtl_optim.ExcessMTL,
        lambda K: torchjd.ExcessMTL(robust_step_size=0.01),  # ours
    ),
    "SDMGrad": (
        lambda: mtl_optim.SDMGrad(one_batch=True),
        weighted(lambda: torchjd.SDMGradWeighting()),
    ),
    "MoDo": (lambda: mtl_optim.MoDo(one_batch=True), weighted(lambda: torchjd.MoDoWeighting())),
    "CRMOGM": (
        lambda: mtl_optim.CRMOGM(mtl_optim.MGDA()),
        weighted(lambda: torchjd.CRMOGMWeighting(torchjd.MGDAWeighting())),
    ),
}
# What takes TorchJD minutes: its pseudo-inverse of the matrix.
LEFT_OUT = {("ConFIG", 10, 10_000_000), ("ConFIG", 40, 10_000_000)}
# With K = 500 its programs and its loops over pairs of tasks do.
LEFT_OUT |= {(name, MANY, 100_000) for name in METHODS}


def timed(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def medians(functions: list[Callable[[], object]], seconds: float) -> list[float]:
    """The median time of each, in alternation; a call above two seconds is timed once.

    Each is timed three times at least, unless that takes eight times as long as it may.
    """
    warm = [timed(function) for function in functions]
    times: list[list[float]] = [[] for _ in functions]
    order = list(zip(functions, times, warm, strict=True))
    start = time.perf_counter()
    for turn in range(300):
        spent = time.perf_counter() - start
        if spent > (seconds if turn >= 3 else 8 * seconds):
            break
        for function, found, first in order:
            if first <= 2:
                found.append(timed(function))
        # Each follows each other: what runs before leaves the caches to it.
        order = order[1:] + order[:1] if turn % 2 else order[::-1]
    return [statistics.median(found or [first]) for found, first in zip(times, warm, strict=True)]


def read_speed() -> float:
    """Bytes per second of a sum over 256 MB."""
    x = torch.ones(64_000_000)
    return x.numel() * 4 / min(timed(x.sum) for _ in range(7))


def product_speed() -> float:
    """Operations per second of a large product of float32 matrices."""
    x = torch.randn(1024, 1024)
    return 2 * 1024**3 / min(timed(lambda: x @ x) for _ in range(7))


def aggregate(method: torch.nn.Module, parameter: Tensor, rows: Rows, losses: Tensor) -> None:
    """What the driver does with gradients: Gramian, weights, direction into `.grad`."""
    if isinstance(method, mtl_optim.JacobianAggregator):
        accumulate([parameter], [method(stacked([row[0] for row in rows if row[0] is not None]))])
        return
    rows = method.track(rows, losses, 1.0)
    dtype = products_dtype(rows)
    matrix = gramian(rows, dtype)
    if dtype == torch.float32 and not resolved(matrix):
        matrix = gramian(rows)
    accumulate_combined([parameter], rows, method.weights(gramian=matrix))


def aggregations(sizes: list[int], speed: float, seconds: float) -> list[str]:
    lines = [
        "| method | K | n | ms | ÷ floor | rows apart ÷ floor | TorchJD ms | TorchJD ÷ ours |",
        "| --- " * 8 + "|",
    ]
    for n in sizes:
        for tasks in (*TASKS, MANY) if n == min(sizes) else TASKS:
            generator = torch.Generator().manual_seed(tasks)
            J = torch.randn(tasks, n, generator=generator)
            J -= 0.5 * J.mean(dim=0)
            floor = (2 * tasks + 1) * 4 * n / speed
            parameter = torch.zeros(n, requires_grad=True)
            parameter.grad = torch.zeros(n)
            losses = torch.ones(tasks)
            together: Rows = [[row] for row in J]
            apart: Rows = [[row.clone()] for row in J]
            for name, (make, other) in METHODS.items():
                one, two = make(), make()
                calls: list[Callable[[], object]] = [
                    partial(aggregate, one, parameter, together, losses),
                    partial(aggregate, two, parameter, apart, losses),
                ]
                if torchjd is not None and (name, tasks, n) not in LEFT_OUT:
                    theirs = other(tasks)
                    calls.append(lambda f=theirs, J=J: f(J))
                ours, separate, *rest = medians(calls, seconds)
                line = f"| {name} | {tasks} | {n:.0e} | {ours * 1e3:.2f} | {ours / floor:.1f} "
                line += f"| {separate / floor:.1f} | "
                line += f"{rest[0] * 1e3:.2f} | {rest[0] / ours:.2f} |" if rest else "- | - |"
                print(line, flush=True)
                lines.append(line)
    return lines


Losses = Callable[[], tuple[Tensor, list[Tensor] | Tensor]]


def mlp(tasks: int) -> tuple[nn.Module, nn.Module, Losses]:
    """Four layers of 512, K linear heads, a batch of 256."""
    width = 512
    layers = [layer for _ in range(4) for layer in (nn.Linear(width, width), nn.ReLU())]
    trunk, heads = nn.Sequential(*layers), nn.ModuleList(nn.Linear(width, 1) for _ in range(tasks))
    x, y = torch.randn(256, width), torch.randn(tasks, 256)

    def losses() -> tuple[Tensor, list[Tensor]]:
        features = trunk(x)
        pairs = zip(heads, y, strict=True)
        return features, [((head(features)[:, 0] - target) ** 2).mean() for head, target in pairs]

    return trunk, heads, losses


def embedding(tasks: int) -> tuple[nn.Module, nn.Module, Losses]:
    """A sparse embedding of a million rows, of which a batch of 256 looks up 32 each; K heads."""
    width = 16
    trunk = nn.EmbeddingBag(1_000_000, width, mode="sum", sparse=True)
    heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(tasks))
    x, y = torch.randint(1_000_000, (256, 32)), torch.randn(tasks, 256)

    def losses() -> tuple[Tensor, list[Tensor]]:
        features = trunk(x)
        pairs = zip(heads, y, strict=True)
        return features, [((head(features)[:, 0] - target) ** 2).mean() for head, target in pairs]

    return trunk, heads, losses


def ranker(tasks: int) -> tuple[nn.Module, nn.Module, Losses]:
    """The ranker of the WEB30K study, 8 lists of 120 documents; the features are its scores."""
    from ltr_losses import listnet_loss  # here, so that the rest runs without the other packages
    from mtl2r_models import ListTransformer

    model = ListTransformer(132, dropout=0.0)
    x, labels = torch.randn(8, 120, 132), torch.randint(5, (tasks, 8, 120)).float()
    mask = torch.ones(8, 120, dtype=torch.bool)

    def losses() -> tuple[Tensor, Tensor]:
        scores = model(x, mask)
        return scores, listnet_loss(scores, labels, mask=mask)

    return model, nn.ModuleList(), losses


def feature_floor(features: Tensor, tasks: int, read: float, product: float) -> float:
    """Seconds beyond a plain step that K gradients at the features take: (task, feature).

    They are written once and read twice, and half of their products are taken.
    """
    n = features.numel()
    return (3 * tasks + 1) * 4 * n / read + tasks * (tasks + 1) * n / product


def steps(seconds: float, read: float, product: float) -> list[str]:
    lines = [
        (
            "| model | K | plain step ms | feature ÷ plain | its floor | exact ÷ plain "
            "| 1/3 + 2K/3 | measure ÷ plain |"
        ),
        "| --- " * 8 + "|",
    ]
    makers = [mlp, embedding, ranker]
    if any(find_spec(name) is None for name in ("ltr_losses", "mtl2r_models")):
        print("the ranker is left out: ltr_losses and mtl2r_models are not installed")
        makers.remove(ranker)
    for make in makers:
        for tasks in TASKS:
            torch.manual_seed(0)
            trunk, heads, losses = make(tasks)
            method = mtl_optim.MGDA()
            cleared = [*trunk.parameters(), *heads.parameters()]

            def start(losses=losses, cleared=cleared):
                for p in cleared:
                    p.grad = None
                return losses()

            def plain(start=start) -> None:
                values = start()[1]
                (torch.stack(values) if isinstance(values, list) else values).sum().backward()

            def by_features(start=start, method=method) -> None:
                features, values = start()
                mtl_optim.backward(values, method, features=features)

            def exact(start=start, method=method, trunk=trunk) -> None:
                mtl_optim.backward(start()[1], method, shared=trunk.parameters())

            last = list(trunk.parameters())[-2:]

            def measured(start=start, method=method, last=last) -> None:
                mtl_optim.backward(start()[1], method, measure=last, heads="weighted")

            # Exact steps apart: each takes and gives back so much memory that the one after it
            # pays for new pages.
            one, by_feature, at_last = medians([plain, by_features, measured], seconds)
            (exactly,) = medians([exact], seconds)
            floor = 1 + feature_floor(losses()[0], tasks, read, product) / one
            line = (
                f"| {make.__name__} | {tasks} | {one * 1e3:.2f} | {by_feature / one:.2f} "
                f"| {floor:.2f} | {exactly / one:.2f} | {1 / 3 + 2 * tasks / 3:.2f} "
                f"| {at_last / one:.2f} |"
            )
            print(line, flush=True)
            lines.append(line)
    return lines


def with_bars(lines: list[str], bars: Callable[[list[str]], list[str]]) -> str:
    """A table, and below it what it says of the bars."""
    return "\n".join([*lines, "", *bars(lines)])


def cells(lines: list[str]) -> list[list[str]]:
    """The cells of a table's rows."""
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines[2:]]


def step_bars(lines: list[str]) -> list[str]:
    """Which steps keep the bars: 1.15 of a plain one by features, 1.1 (1/3 + 2K/3) exactly."""
    rows = [(r[0], int(r[1]), float(r[3]), float(r[5])) for r in cells(lines)]
    floors = {(r[0], int(r[1])): r[4] for r in cells(lines)}
    feature = [f"{m} K = {k}: {f:.2f}, floor {floors[m, k]}" for m, k, f, _ in rows if f > 1.15]
    exact = [f"{m} K = {k}: {e:.2f}" for m, k, _, e in rows if e > 1.1 * (1 + 2 * k) / 3]
    return [
        f"- Feature route above 1.15: {', '.join(feature) or 'none'}.",
        f"- Exact route above 1.1 (1/3 + 2K/3): {', '.join(exact) or 'none'}.",
    ]


def table_bars(lines: list[str]) -> list[str]:
    """Which aggregations keep the bars: faster than TorchJD, near the floor, ten times faster."""
    rows = [(r[0], int(r[1]), float(r[2]), r[3:]) for r in cells(lines)]
    compared = [(m, k, n, float(r[4])) for m, k, n, r in rows if r[4] not in ("", "-")]
    slower = [f"{m} K = {k} n = {n:.0e}: {q}" for m, k, n, q in compared if q < 1]
    found = [f"- Slower than TorchJD in {len(slower)} of {len(compared)} cells: "]
    found[0] += f"{', '.join(slower) or 'none'}."
    for few, bar in (((2, 5), 2.5), ((10,), 4.0)):
        large = [(float(r[1]), m, k) for m, k, n, r in rows if n == 1e7 and k in few]
        above = [f"{m} K = {k}: {q}" for q, m, k in large if q > bar]
        if large:
            tasks = " and ".join(map(str, few))
            found.append(f"- Above {bar} × the floor at n = 1e7, K = {tasks}: ")
            found[-1] += f"{', '.join(above) or 'none'}."
    least = {k: float(r[0]) for m, k, n, r in rows if m == "MGDA" and n == 1e5}
    for name in ("NashMTL", "CAGrad"):
        ratios = [
            (k, float(r[4]), float(r[3]))
            for m, k, n, r in rows
            if m == name and n == 1e5 and r[4] != "-"
        ]
        text = ", ".join(
            f"{q:.1f} at K = {k} ({theirs / least[k]:.1f} if the solve were free)"
            for k, q, theirs in ratios
        )
        found.append(f"- {name} against TorchJD at n = 1e5, the bar being 10: {text}.")
    return found


MEMORY_TASKS, MEMORY_WIDTH = 5, 2048


def peak(route: str) -> None:
    """Print the peak resident bytes of three steps, for a process of its own."""
    torch.set_num_threads(1)
    layers = [nn.Linear(MEMORY_WIDTH, MEMORY_WIDTH, bias=False) for _ in range(4)]
    trunk, head = nn.Sequential(*layers), nn.Linear(MEMORY_WIDTH, MEMORY_TASKS)
    x = torch.randn(8, MEMORY_WIDTH)
    for _ in range(3):
        trunk.zero_grad()
        features = trunk(x)
        losses = (head(features) ** 2).mean(dim=0)
        if route == "plain":
            losses.sum().backward()
        elif route == "feature":
            mtl_optim.backward(losses, mtl_optim.MGDA(), features=features)
        else:
            one = 4 * MEMORY_WIDTH**2
            budget = 2 * MEMORY_TASKS * one if route == "budget" else None
            mtl_optim.backward(
                losses, mtl_optim.MGDA(), shared=trunk.parameters(), memory_budget=budget
            )
    # `ru_maxrss` would not do: a process starts with that of the one that it was forked from.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)


def memory() -> list[str]:
    """Peaks beyond a plain step, in units of the parameters."""

    def measured(route: str) -> int:
        command = [sys.executable, __file__, "--peak", route]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this script
        return int(done.stdout)

    size, plain = 4 * 4 * MEMORY_WIDTH**2, measured("plain")
    lines = ["| route | peak beyond a plain step ÷ parameters |", "| --- | --- |"]
    for name, route in (
        ("feature", "feature"),
        (f"exact, K = {MEMORY_TASKS}", "exact"),
        ("exact, `memory_budget` of 2 in 4 layers", "budget"),
    ):
        lines.append(f"| {name} | {(measured(route) - plain) / size:.2f} |")
        print(lines[-1], flush=True)
    return lines


def machine() -> str:
    """The processor's name."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


RESULTS = Path(__file__).parent / "results" / "mtl_optim.md"
STEPS = """## Whole steps (MGDA)

A step is forward and backward. The features of the MLP are as large as an eighth of its trunk's
parameters, those of the ranker are its scores, and the embedding has a million rows and sparse
gradients on 8192 of them. The floor of the feature route is a plain step, and K gradients at the
features that are written once and read twice, (3K + 1) 4n bytes, and their products, K (K + 1) n
operations: heads of any kind leave no less. Plain steps and those of the feature route alternate,
and so do those that measure gradients in the last layer of the trunk and weigh everything; the
exact ones run apart.

"""
MEMORY = "## Peak memory (resident set of a process of its own)\n\n"
TABLE = """## Aggregation of a float32 Jacobian

TorchJD is given the matrix J and returns a new vector. Ours is given its rows, as views of it, and
as tensors of their own, as autograd gives them ("rows apart"); it adds to an existing `.grad`,
which it reads, while a new vector costs page faults. TorchJD ÷ ours is above 1 where ours is
faster. TorchJD's ConFIG takes minutes at n = 1e7 from K = 10 on, and is left out there.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="n = 1e5 alone, nothing written")
    parser.add_argument("--only", choices=["steps", "memory", "table"], help="renew one section")
    parser.add_argument("--seconds", type=float, default=0.5, help="per row of the tables")
    parser.add_argument("--peak", choices=["plain", "feature", "exact", "budget"])
    arguments = parser.parse_args()
    if arguments.peak:
        peak(arguments.peak)
        return
    warnings.filterwarnings("ignore", "You are solving a parameterized problem")
    torch.set_num_threads(1)
    speed, product = read_speed(), product_speed()
    sizes = [100_000] if arguments.quick else [100_000, 1_000_000, 10_000_000]
    floor = f"A read runs at {speed / 1e9:.1f} GB/s; the floor is (2K + 1) 4n bytes at that speed."
    sections: dict[str, Callable[[], str]] = {
        "memory": lambda: MEMORY + "\n".join(memory()),
        "steps": lambda: (
            f"{STEPS}A read runs at {speed / 1e9:.1f} GB/s, a product at {product / 1e9:.0f} "
            "billion operations a second.\n\n"
            + with_bars(steps(4 * arguments.seconds, speed, product), step_bars)
        ),
        "table": lambda: (
            f"{TABLE}{floor}\n\n"
            + with_bars(aggregations(sizes, speed, arguments.seconds), table_bars)
        ),
    }
    peer = "not installed" if torchjd is None else "installed from the package index"
    head = (
        f"# mtl-optim\n\n{machine()}, one thread, torch {torch.__version__}; TorchJD {peer}.\n"
        "Process CPU time, medians of alternating calls."
    )
    if arguments.only is None:
        parts = [head, *(make() for make in sections.values())]
    else:
        title = {"memory": MEMORY, "steps": STEPS, "table": TABLE}[arguments.only].split("\n")[0]
        renewed = sections[arguments.only]()
        parts = RESULTS.read_text(encoding="utf-8").strip().split("\n\n## ")
        parts = [parts[0], *(f"## {part}" for part in parts[1:])]
        parts = [renewed if part.startswith(title) else part for part in parts]
    if not arguments.quick:
        RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
