"""Navigation of the demo's ranker against retraining it.

    python benchmarks/navigation.py                # writes results/navigation.md
    python benchmarks/navigation.py --quick        # 30 lists and little training, nothing written

The demo's transformer on a fifth of its lists, ListNet on its labels plus weight decay in the
losses, trained by Adam on all lists at once. From there a walk: each step lets one label's loss
rise by at most CAP and improves another as far as that buys. Three walks: from a model that was
stopped early, from the same model trained on, and with a third label that is protected. For some
steps of the first two the same is asked of retraining from the same start, to the KKT residual that
the walk has there,

* with the weight known: that of the walk's point, which nobody knows before;
* with the weight unknown: bisection until the capped loss has risen by CAP ± 10 %, each run from
  where the last one ended.

A gradient of one scalar loss counts 1, a Hessian-vector product 2, a forward pass 1/3.
"""

import argparse
import os
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# This folder, where other scripts' names would stand for the packages.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

from ltr_data import RankingBatch, RankingDataset
from ltr_losses import listnet_loss, ndcg
from mtl2r_bench.config import StudyConfig, load_study, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.training.build import build_model
from mtl2r_models import Scorer
from mtl_optim.pareto import NavigationError, ParetoNavigator, Point

CAP = 0.02  # of a loss of about 3.4
DECAY = 1e-2
RATES = (1e-4, 3e-4)
COMPARED = (2, 7)  # steps that retraining is asked for
LISTS, SHORT, LONG = 60, 200, 1200
RESULT = Path(__file__).parent / "results" / "navigation.md"

Batches = list[RankingBatch]


@dataclass
class Taken:
    """A step of the walk."""

    capped: int
    before: Point
    parameters: dict[str, Tensor]
    point: Point


def demo(
    lists: int, more: tuple[str, ...] = ()
) -> tuple[Scorer, Batches, Batches, tuple[str, ...]]:
    """The demo's untrained network, and lists of its data in batches of like length."""
    tables = load_study("demo")
    sizes = {"train_queries": lists, "validation_queries": 150, "test_queries": 2}
    tables["data"]["synthetic"] = tables["data"]["synthetic"] | sizes
    tables["data"]["tasks"] = [*tables["data"]["tasks"], *more]
    study = validate(StudyConfig, tables)
    splits = load_splits(study.data, study.evaluation)
    generator = torch.Generator().manual_seed(0)
    model = build_model(study.model, splits.train.features.shape[1], 2, generator)
    train, validation = (
        batches(split.transformed(splits.transform)) for split in (splits.train, splits.validation)
    )
    return model, train, validation, splits.tasks


def batches(dataset: RankingDataset) -> Batches:
    order = np.argsort(dataset.lengths, kind="stable")
    return [dataset.batch(part.tolist()) for part in np.array_split(order, 6)]


def losses(model: Scorer, data: Batches) -> Tensor:
    """ListNet by task and list, and half the decay times ‖θ‖²."""
    lists = [
        listnet_loss(
            model(batch.features, batch.mask), batch.labels, mask=batch.mask, reduction="none"
        )
        for batch in data
    ]
    decay = DECAY / 2 * sum((p**2).sum() for p in model.parameters())
    return torch.cat(lists, dim=1) + decay


def weighted(model: Scorer, data: Batches, weights: Tensor) -> tuple[Tensor, float]:
    """The losses, and the norm of the gradient of their weighted sum, left in `.grad`."""
    model.zero_grad()
    values = losses(model, data).mean(dim=1)
    (weights.to(values) @ values).backward()
    squares = [(p.grad**2).sum() for p in model.parameters() if p.grad is not None]
    return values.detach(), float(torch.stack(squares).sum().sqrt())


def train(model: Scorer, data: Batches, steps: int) -> None:
    """Adam on the mean of the losses, with a rate that falls to nearly nothing."""
    model.eval()  # no dropout: what is navigated is what is trained
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: max(0.02, 1 - n / steps))
    for _ in range(steps):
        weighted(model, data, torch.full((len(data[0].labels),), 1 / len(data[0].labels)))
        optimizer.step()
        schedule.step()


def walk(navigator: ParetoNavigator, steps: int) -> list[Taken]:
    """Half of the steps for the first label, half back for the second; others are protected."""
    taken = []
    for n in range(steps):
        improved, capped = (0, 1) if n < steps / 2 else (1, 0)
        before, parameters = navigator.point, navigator.parameters()
        tasks = navigator.tasks
        preview = navigator.preview(improve=tasks[improved], give_up={tasks[capped]: CAP})
        try:
            point = navigator.step(preview)
        except NavigationError as error:
            print(f"step {n + 1}: reported infeasible: {error}")
            break
        taken.append(Taken(capped, before, parameters, point))
    return taken


@dataclass
class Retrained:
    """What a retraining took, and how the losses changed."""

    rate: float
    gradients: int
    reached: bool
    change: Tensor
    parameters: dict[str, Tensor]


def retrain(
    model: Scorer,
    data: Batches,
    start: dict[str, Tensor],
    weights: Tensor,
    norm: float,
    most: int,
    rates: tuple[float, ...] = RATES,
) -> Retrained:
    """Adam from a start until the gradient of the weighted losses is as short; the best rate's."""
    found = []
    for rate in rates:
        put(model, start)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        first, size = weighted(model, data, weights)
        values, gradients = first, 1
        while size > norm and gradients < most:
            optimizer.step()
            values, size = weighted(model, data, weights)
            gradients += 1
        end = {name: p.detach().clone() for name, p in model.named_parameters()}
        found.append(Retrained(rate, gradients, size <= norm, (values - first).double(), end))
    return min(found, key=lambda run: (not run.reached, run.gradients))


def bisect(
    model: Scorer, data: Batches, taken: Taken, norm: float, most: int, rate: float
) -> tuple[int, int, bool]:
    """Gradients and runs until a weight is found with which the capped loss has risen by CAP."""
    capped = taken.capped
    low, high = 0.0, float(taken.before.alpha[capped])  # a smaller weight lets the loss rise more
    start, gradients = taken.parameters, 0
    for run in range(1, 9):
        weights = torch.empty(2, dtype=torch.float64)
        weights[capped], weights[1 - capped] = (low + high) / 2, 1 - (low + high) / 2
        best = retrain(model, data, start, weights, norm, most, (rate,))
        gradients += best.gradients
        start = best.parameters
        put(model, start)
        with torch.no_grad():
            risen = float(losses(model, data).mean(dim=1)[capped] - taken.before.losses[capped])
        if abs(risen - CAP) <= 0.1 * CAP:
            return gradients, run, True
        low, high = ((low + high) / 2, high) if risen > CAP else (low, (low + high) / 2)
    return gradients, 8, False


def put(model: Scorer, parameters: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameters[name])


def gradient_norm(
    model: Scorer, data: Batches, point: Point, parameters: dict[str, Tensor]
) -> float:
    put(model, parameters)
    return weighted(model, data, point.alpha)[1]


def ndcg_at_10(model: Scorer, data: Batches) -> list[float]:
    with torch.no_grad():
        values = [
            ndcg(
                model(batch.features, batch.mask),
                batch.labels,
                mask=batch.mask,
                k=10,
                reduction="none",
            )
            for batch in data
        ]
    return torch.cat(values, dim=1).nanmean(dim=1).tolist()


def row(number: int, taken: Taken) -> str:
    capped, point = taken.capped, taken.point
    improved = 1 - capped
    predicted, realised, noise = point.predicted, point.realised, point.change_errors
    off = [abs(float(realised[k] - predicted[k]) / float(predicted[k])) for k in (improved, capped)]
    rest = [f"{x:+.4f} ({e:.4f})" for x, e in zip(realised[2:], noise[2:], strict=True)]
    return (
        f"| {number} | {point.tasks[improved]} | {float(predicted[improved]):+.4f} "
        f"| {float(realised[improved]):+.4f} | {off[0]:.0%} "
        f"| {CAP:+.4f} | {float(realised[capped]):+.4f} | {off[1]:.0%} "
        f"| {', '.join(rest) or '–'} | {float(noise[capped]):.4f} | {point.kkt:.4f} "
        f"| {point.cost.equivalents:.0f} |"
    )


def walked(
    title: str,
    model: Scorer,
    data: Batches,
    validation: Batches,
    tasks: tuple[str, ...],
    steps: int,
) -> tuple[ParetoNavigator, list[Taken], list[str]]:
    """A walk from where a model is, and its table."""
    quality = ", ".join(f"{value:.3f}" for value in ndcg_at_10(model, validation))
    navigator = ParetoNavigator(model, losses, data, tasks=tasks)
    start = navigator.start()
    taken = walk(navigator, steps)
    cost = statistics.median(one.point.cost.equivalents for one in taken)
    values = ", ".join(f"{value:.3f}" for value in start.losses)
    columns = ["step", "improve", "foreseen", "realised", "off", "cap", "realised", "off"]
    columns += ["protected (s.e.)", "s.e. of the capped", "KKT", "equivalents"]
    lines = [
        f"## {title}",
        "",
        (
            f"Start: losses {values}, relative KKT residual {start.kkt:.4f}, validation NDCG@10 "
            f"{quality}. Median of a step: {cost:.0f} gradient equivalents."
        ),
        "",
        f"| {' | '.join(columns)} |",
        "| --- " * len(columns) + "|",
        *[row(n, one) for n, one in enumerate(taken, start=1)],
        "",
    ]
    print("\n".join(lines), flush=True)
    return navigator, taken, lines


def compared(
    model: Scorer, data: Batches, navigator: ParetoNavigator, taken: list[Taken], most: int
) -> list[str]:
    """The same from retraining, for some steps of a walk."""
    lines = [
        (
            "Retraining from the same start to the same residual, Adam at the better of the rates "
            f"{RATES}, at most {most} gradients a run; in brackets the changes of both losses that "
            "it ends with, and those of the walk:"
        ),
        "",
        "| step | walk | weight known | walk ÷ it | weight by bisection | walk ÷ it |",
        "| --- " * 6 + "|",
    ]
    for n in COMPARED:
        if n > len(taken):
            continue
        one = taken[n - 1]
        goal = gradient_norm(model, data, one.point, navigator.parameters(one.point))
        own = one.point.cost.equivalents
        best = retrain(model, data, one.parameters, one.point.alpha, goal, most)
        gradients, tries, hit = bisect(model, data, one, goal, most, best.rate)
        lines.append(
            f"| {n} | {own:.0f} {_pair(one.point.realised)} | {'' if best.reached else '> '}"
            f"{best.gradients} {_pair(best.change)} | {own / best.gradients:.2f} "
            f"| {gradients} in {tries} runs{'' if hit else ', not found'} | {own / gradients:.2f} |"
        )
        print(lines[-1], flush=True)
    return [*lines, ""]


def _pair(change: Tensor) -> str:
    return f"({change[0]:+.3f}, {change[1]:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    steps, most = (4, 60) if options.quick else (10, 400)
    lists, short, long = (30, 60, 100) if options.quick else (LISTS, SHORT, LONG)
    model, data, validation, tasks = demo(lists)
    train(model, data, short)
    lines = [
        "# Navigation",
        "",
        (
            f"`python benchmarks/navigation.py`, {os.cpu_count()} processors "
            f"({platform.machine()}), torch {torch.__version__}. The demo's transformer "
            f"({sum(p.numel() for p in model.parameters()):,} parameters) on {lists} of its lists, "
            f"ListNet; in each step one loss may rise by at most {CAP}. Costs are counted: a "
            "Hessian-vector product is 2 gradients, a forward pass 1/3."
        ),
        "",
    ]
    title = f"Stopped early: {short} steps of Adam"
    navigator, taken, table = walked(title, model, data, validation, tasks, steps)
    lines += table + compared(model, data, navigator, taken, most)
    put(model, navigator.parameters(0))
    train(model, data, long)
    title = f"Trained on: {long} steps more"
    navigator, taken, table = walked(title, model, data, validation, tasks, steps)
    lines += table + compared(model, data, navigator, taken, most)
    model, data, validation, tasks = demo(lists, ("click",))
    train(model, data, 2 * short)
    title = f"Three labels, {tasks[2]} protected: {2 * short} steps of Adam"
    lines += walked(title, model, data, validation, tasks, steps)[2]
    if not options.quick:
        RESULT.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
