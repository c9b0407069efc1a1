"""Losses of ltr-losses against plain PyTorch transcriptions of their formulas.

    python benchmarks/ltr_losses.py

Forward and backward on one core, float32, for (64 lists x 240) and (16 x 1000), one task and five
on shared scores, as they are and by torch.compile. Runs are interleaved and the medians are
reported; a ratio is the median of the ratios. The peak of memory is that of a process of its own,
above what it had after a first run. Writes benchmarks/results/ltr_losses.md; wants a C++ compiler.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softplus

# This folder, where the script's own name would stand for the package.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_losses import (
    approx_ndcg_loss,
    lambda_loss,
    listmle_loss,
    neural_ndcg_loss,
    p_listmle_loss,
    ranknet_loss,
    unique_softmax_loss,
)

SHAPES = ((64, 240), (16, 1000))
RESULT = Path(__file__).parent / "results" / "ltr_losses.md"


def dense_lambda(
    scores: Tensor, labels: Tensor, scheme: str = "ndcg2pp", k: int | None = None
) -> Tensor:
    """The pairs as (task, batch, list, list) tensors, by autograd."""
    order = scores.argsort(-1, descending=True)
    s = scores.gather(-1, order)
    y = labels.gather(-1, order.expand(labels.shape))
    n = s.shape[-1]
    rank = torch.arange(1.0, n + 1)
    d = 1.0 / torch.log2(1.0 + rank)
    gain = 2.0**y - 1.0
    cut = slice(0, k)
    best = gain.sort(-1, descending=True).values[..., cut]
    gain = gain / (best * d[cut]).sum(-1, keepdim=True)
    difference = (gain.unsqueeze(-1) - gain.unsqueeze(-2)).abs()
    weight = (d.unsqueeze(-1) - d).abs()
    if scheme == "ndcg2pp":
        delta = (rank.unsqueeze(-1) - rank).abs().clamp(min=1.0)
        weight = weight + 10.0 * (1.0 / torch.log2(1.0 + delta) - 1.0 / torch.log2(2.0 + delta))
    counts = y.unsqueeze(-1) > y.unsqueeze(-2)
    if k is not None:
        counts = counts & ((rank <= k).unsqueeze(-1) | (rank <= k))
    pairs = softplus(s.unsqueeze(-2) - s.unsqueeze(-1))
    return (weight * difference * pairs * counts).sum((-2, -1)).mean(-1)


def dense_ranknet(scores: Tensor, labels: Tensor) -> Tensor:
    counts = labels.unsqueeze(-1) > labels.unsqueeze(-2)
    pairs = softplus(scores.unsqueeze(-2) - scores.unsqueeze(-1)) * counts
    return (pairs.sum((-2, -1)) / counts.sum((-2, -1))).mean(-1)


def dense_approx_ndcg(scores: Tensor, labels: Tensor) -> Tensor:
    ranks = 0.5 + torch.sigmoid(scores.unsqueeze(-2) - scores.unsqueeze(-1)).sum(-1)
    gain = 2.0**labels - 1.0
    d = 1.0 / torch.log2(torch.arange(2.0, labels.shape[-1] + 2.0))
    ideal = (gain.sort(-1, descending=True).values * d).sum(-1)
    return (1.0 - (gain / torch.log2(1.0 + ranks)).sum(-1) / ideal).mean(-1)


def dense_neural_ndcg(scores: Tensor, labels: Tensor) -> Tensor:
    """Fifty Sinkhorn steps on the matrix, every one of them kept for the backward pass."""
    n = scores.shape[-1]
    spread = (scores.unsqueeze(-1) - scores.unsqueeze(-2)).abs().sum(-1)
    factor = n + 1.0 - 2.0 * torch.arange(1.0, n + 1)
    p = (factor.unsqueeze(-1) * scores.unsqueeze(-2) - spread.unsqueeze(-2)).softmax(-1)
    for _ in range(50):
        p = p / p.sum(-2, keepdim=True)
        p = p / p.sum(-1, keepdim=True)
    gain = 2.0**labels - 1.0
    d = 1.0 / torch.log2(torch.arange(2.0, n + 2.0))
    ideal = (gain.sort(-1, descending=True).values * d).sum(-1)
    found = ((p @ gain.unsqueeze(-1)).squeeze(-1) * d).sum(-1)
    return (1.0 - found / ideal).mean(-1)


def plain_listmle(scores: Tensor, labels: Tensor, by_position: bool = False) -> Tensor:
    """ListMLE as allRank has it: a cumulative sum of exp s from the end, for any order of ties."""
    order = labels.sort(-1, descending=True).indices
    s = scores.expand(labels.shape).gather(-1, order)
    s = s - s.max(-1, keepdim=True).values
    tails = s.exp().flip(-1).cumsum(-1).flip(-1)
    terms = torch.log(tails + 1e-10) - s
    if by_position:
        alpha = torch.exp2(-torch.arange(1.0, s.shape[-1] + 1)) - 2.0 ** -s.shape[-1]
        terms = alpha / alpha.sum() * terms
    return terms.sum(-1).mean(-1)


def dense_unique_softmax(scores: Tensor, labels: Tensor) -> Tensor:
    """Each document and those of lower labels, as (task, batch, list, list)."""
    n = scores.shape[-1]
    rivals = (labels.unsqueeze(-1) > labels.unsqueeze(-2)) | torch.eye(n, dtype=torch.bool)
    all_of = torch.where(rivals, scores.unsqueeze(-2), float("-inf")).logsumexp(-1)
    gain = (2.0**labels - 1.0) / 2.0 ** labels.amax(-1, keepdim=True)
    return (gain * (all_of - scores)).sum(-1).mean(-1)


Loss = Callable[[Tensor, Tensor], Tensor]
NDCG2PP, TRUNCATED, RANKNET = "lambda, ndcg2pp", "lambda, lambdarank@30", "ranknet"
NEURAL = "neural_ndcg"
FORMS = ("eager", "compiled", "plain")
TASKS = 5
CASES: dict[str, tuple[Loss, Loss]] = {
    NDCG2PP: (lambda_loss, dense_lambda),
    TRUNCATED: (
        partial(lambda_loss, scheme="lambdarank", k=30),
        partial(dense_lambda, scheme="lambdarank", k=30),
    ),
    RANKNET: (ranknet_loss, dense_ranknet),
    "approx_ndcg": (approx_ndcg_loss, dense_approx_ndcg),
    NEURAL: (neural_ndcg_loss, dense_neural_ndcg),
    "listmle": (listmle_loss, plain_listmle),
    "p_listmle": (p_listmle_loss, partial(plain_listmle, by_position=True)),
    "unique_softmax": (unique_softmax_loss, dense_unique_softmax),
}


def problem(batch: int, n: int, tasks: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(batch, n, generator=generator).requires_grad_()
    labels = torch.randint(0, 5, (tasks, batch, n), generator=generator).float()
    return scores, labels


def milliseconds(loss: Loss, scores: Tensor, labels: Tensor) -> float:
    # The time of this process on its core, not that of its neighbours.
    start = time.process_time()
    loss(scores, labels).sum().backward()
    return 1e3 * (time.process_time() - start)


def _kilobytes(what: str) -> int:
    # Not getrusage, whose peak a child inherits.
    status = Path("/proc/self/status").read_text()
    return int(status.partition(what)[2].split()[0])


def _peak(queue: multiprocessing.Queue[float], case: str, form: str, batch: int, n: int) -> None:
    torch.set_num_threads(1)
    loss = forms(case)[form]
    scores, labels = problem(batch, n, 1)
    # Once before, for what is allocated once: the compiler's memory among it.
    loss(scores, labels).sum().backward()
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = _kilobytes("VmRSS:")
    loss(scores, labels).sum().backward()
    queue.put((_kilobytes("VmHWM:") - before) / 1024.0)


def megabytes(case: str, form: str, batch: int, n: int) -> float:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_peak, args=(queue, case, form, batch, n))
    process.start()
    out = queue.get()
    process.join()
    return out


def forms(case: str) -> dict[str, Loss]:
    ours, plain = CASES[case]
    compiled = torch.compile(ours, fullgraph=True, dynamic=False)
    return {"eager": ours, "compiled": compiled, "plain": plain}


def fused_pass(scores: Tensor) -> Tensor:
    """The least a compiled loop must do: an exponential and a sum, from both ends of each pair."""
    t = torch.exp(-(scores.unsqueeze(-1) - scores.unsqueeze(-2)).abs())
    return (t / (1.0 + t)).sum(-1)


def floors(batch: int, n: int, repeats: int) -> tuple[float, float]:
    """Milliseconds of one such pass, and of sorting scores and gains."""
    scores = problem(batch, n, 1)[0].detach()
    forms = (
        torch.compile(fused_pass, fullgraph=True, dynamic=False),
        lambda s: (s.argsort(-1, descending=True), s.sort(-1)),
    )
    out = []
    for form in forms:
        times = []
        for _ in range(repeats + 1):
            start = time.process_time()
            form(scores)
            times.append(1e3 * (time.process_time() - start))
        out.append(statistics.median(times[1:]))
    return out[0], out[1]


Aims = list[tuple[str, dict[str, str]]]
"""(aim, what each form reached, with whether that is it)."""


def measure(case: str, batch: int, n: int, repeats: int) -> tuple[list[str], Aims]:
    torch.compiler.reset()
    runs = [
        (form, tasks, loss, *problem(batch, n, tasks))
        for tasks in (1, TASKS)
        for form, loss in forms(case).items()
    ]
    times: dict[tuple[str, int], list[float]] = {(form, tasks): [] for form, tasks, *_ in runs}
    for _ in range(repeats + 1):
        for form, tasks, loss, scores, labels in runs:
            times[form, tasks].append(milliseconds(loss, scores, labels))

    def ratio(a: tuple[str, int], b: tuple[str, int]) -> float:
        return statistics.median(x / y for x, y in zip(times[a][1:], times[b][1:], strict=True))

    lines = []
    aims: Aims = []

    def aim(what: str, reached: Callable[[str], float], holds: Callable[[float], bool]) -> None:
        figures = {form: reached(form) for form in FORMS[:2]}
        cells = {f: f"{x:.2f}, {'yes' if holds(x) else 'no'}" for f, x in figures.items()}
        aims.append((f"{case}, {batch} x {n}: {what}", cells))

    pairs = batch * n * (n - 1) / 2
    if case == NDCG2PP:
        tenth = 1e5 * statistics.median(times["plain", 1][1:]) / pairs
        what = f"10 times faster, in {tenth:.1f} ns a pair"
        aim(what, lambda f: ratio(("plain", 1), (f, 1)), lambda x: x >= 10.0)
    if case == TRUNCATED:
        aim("4 ms at most", lambda f: statistics.median(times[f, 1][1:]), lambda x: x <= 4.0)
    if case in (NDCG2PP, TRUNCATED, RANKNET):
        aim(
            f"2.5 times at most for {TASKS} tasks",
            lambda f: ratio((f, TASKS), (f, 1)),
            lambda x: x <= 2.5,
        )
    for tasks in (1, TASKS):
        ms = {form: statistics.median(times[form, tasks][1:]) for form in FORMS}
        cells = [case, f"{batch} x {n}", str(tasks)]
        cells += [f"{ms[form]:.1f}" for form in FORMS]
        cells += [f"{ratio(('plain', tasks), (form, tasks)):.1f}" for form in FORMS[:2]]
        cells += [f"{1e6 * ms[form] / pairs:.1f}" for form in FORMS[:2]]
        if tasks == 1:
            cells += ["", *(f"{megabytes(case, form, batch, n):.0f}" for form in FORMS)]
        else:
            growth = [f"{ratio((form, tasks), (form, 1)):.2f}" for form in FORMS[:2]]
            cells += [" / ".join(growth), "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines, aims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cases", nargs="*", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # inductor's own
    lines = [
        "# Speed of ltr-losses",
        "",
        (
            f"torch {torch.__version__}, {platform.machine()}, one core, float32, forward and "
            f"backward, medians of {arguments.repeats} interleaved runs of processor time; a ratio "
            "is the median of the ratios within a run. Compiled: by torch.compile, not counting "
            "the compilation. MB is the growth of the peak."
        ),
        "",
        (
            "| loss | lists | tasks | eager ms | compiled ms | plain ms | plain / eager "
            "| plain / compiled | eager ns a pair | compiled ns a pair "
            f"| {TASKS} tasks / 1, eager / compiled | eager MB | compiled MB | plain MB |"
        ),
        f"|{' --- |' * 14}",
    ]
    aims: Aims = []
    batch, n = SHAPES[0]
    loop, sorts = floors(batch, n, arguments.repeats)
    pair = 1e6 / (batch * n * (n - 1) / 2)
    for batch, n in SHAPES:
        for case in arguments.cases:
            if case != NEURAL:
                table, reached = measure(case, batch, n, arguments.repeats)
                lines += table
                aims += reached
    if NEURAL in arguments.cases:
        ours, plain = (megabytes(NEURAL, form, 16, 240) for form in ("eager", "plain"))
        lines.append(
            f"| {NEURAL}, memory alone | 16 x 240 | 1 |{' |' * 8} {ours:.0f} | | {plain:.0f} |"
        )
        print(lines[-1])
        times = plain / ours
        cells = {"eager": f"{times:.1f}, {'yes' if times >= 10.0 else 'no'}", "compiled": ""}
        aims.append((f"{NEURAL}, 16 x 240: a tenth of the memory", cells))
    lines += [
        "",
        (
            "The pairs counted are the i < j of each list, whatever `k` is. The floor, a compiled "
            "pass that takes an exponential, a division and a sum from both ends of each pair, is "
            f"{pair * loop:.1f} ns a pair at 64 x 240; the value needs a logarithm and a sum "
            "besides, which costs as much again, and the sorts of scores and gains "
            f"{pair * sorts:.1f} ns. The plain form's time depends on whether the allocator finds "
            "its tensors, 15 MB each, in memory that is mapped already. For five tasks it keeps "
            "all pairs of all tasks."
        ),
        "",
        "| aim | eager | compiled |",
        "| --- | --- | --- |",
        *(f"| {what} | {cells['eager']} | {cells['compiled']} |" for what, cells in aims),
    ]
    arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
