"""Draws the gradient of each loss over rank, for docs/choosing-a-loss.md.

    python docs/figures/loss_gradients.py

Wants matplotlib. Writes docs/images/losses-gradients.png and docs/images/losses-pull.png.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

import ltr_losses as ltr

IMAGES = Path(__file__).resolve().parents[1] / "images"
Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mse": ltr.mse_loss,
    "bce": ltr.bce_loss,
    "ordinal": partial(ltr.ordinal_loss, thresholds=[-1.0, -0.3, 0.4, 1.1]),
    "pairwise_mse": ltr.pairwise_mse_loss,
    "ranknet": ltr.ranknet_loss,
    "pairwise_hinge": ltr.pairwise_hinge_loss,
    "pairwise_quantile": ltr.pairwise_quantile_loss,
    "softmax": ltr.softmax_loss,
    "poly1_softmax": ltr.poly1_softmax_loss,
    "unique_softmax": ltr.unique_softmax_loss,
    "listnet": ltr.listnet_loss,
    "binary_listnet": ltr.binary_listnet_loss,
    "listmle": ltr.listmle_loss,
    "p_listmle": ltr.p_listmle_loss,
    "lambda, lambdarank": partial(ltr.lambda_loss, scheme="lambdarank"),
    "lambda, lambdarank, k=5": partial(ltr.lambda_loss, scheme="lambdarank", k=5),
    "lambda, ndcg2pp": ltr.lambda_loss,
    "lambda, map": partial(ltr.lambda_loss, scheme="map"),
    "approx_ndcg, T=0.1": partial(ltr.approx_ndcg_loss, temperature=0.1),
    "approx_mrr, T=0.1": partial(ltr.approx_mrr_loss, temperature=0.1),
    "neural_ndcg": ltr.neural_ndcg_loss,
}

# One list, best score first; the labels of most documents are 0.
DOCUMENTS = 20
SCORES = torch.linspace(1.5, -1.5, DOCUMENTS, dtype=torch.float64)
GRADES = {2: 1.0, 4: 2.0, 8: 4.0, 13: 1.0, 17: 3.0}
COLOURS = {0: "#b9bec6", 1: "#9ecae1", 2: "#5ba3cf", 3: "#2171b5", 4: "#08306b"}


def pull(loss: Loss, labels: Tensor) -> Tensor:
    """−∂ℓ/∂s of each document: positive where descent moves it up."""
    scores = SCORES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(scores, labels), scores)
    return -gradient


def draw_gradients() -> None:
    """One panel per loss: the pull on every document of one list."""
    labels = torch.zeros(DOCUMENTS, dtype=torch.float64)
    for rank, grade in GRADES.items():
        labels[rank - 1] = grade
    figure, axes = plt.subplots(7, 3, figsize=(10, 13.5), sharex=True)
    for axis, (name, loss) in zip(axes.flat, LOSSES.items(), strict=True):
        moves = pull(loss, labels)
        moves = moves / moves.abs().max()
        colours = [COLOURS[int(y)] for y in labels.tolist()]
        axis.bar(range(1, DOCUMENTS + 1), moves.tolist(), color=colours, width=0.85)
        axis.axhline(0.0, color="#333333", linewidth=0.8)
        axis.set_title(name, fontsize=10)
        axis.set_ylim(-1.08, 1.08)
        axis.set_yticks([-1, 0, 1])
        axis.set_xticks([1, 5, 10, 15, 20])
    for axis in axes[:, 0]:
        axis.set_ylabel("pull")
    for axis in axes[-1]:
        axis.set_xlabel("rank")
    handles = [Patch(color=c, label=f"label {y}") for y, c in COLOURS.items()]
    figure.legend(handles=handles, loc="upper center", ncol=5, frameon=False, fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.975))
    save(figure, "losses-gradients.png")


GROUPS = {
    "pointwise and pairwise": ["mse", "bce", "ranknet", "pairwise_hinge"],
    "listwise": ["softmax", "listnet"],
    "weighted by a metric": ["lambda, lambdarank", "lambda, ndcg2pp", "lambda, map"],
    "smooth metrics": ["approx_ndcg, T=0.1", "approx_mrr, T=0.1", "neural_ndcg"],
}
STYLES = [("#08306b", "-"), ("#d95f02", "--"), ("#1b9e77", "-."), ("#7b3294", ":")]


def draw_pull() -> None:
    """The pull on a single relevant document, by where it stands."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), sharex=True, sharey=True)
    ranks = range(1, DOCUMENTS + 1)
    for axis, (group, names) in zip(axes, GROUPS.items(), strict=True):
        handles = []
        for name, (colour, style) in zip(names, STYLES, strict=False):
            curve = []
            for rank in ranks:
                labels = torch.zeros(DOCUMENTS, dtype=torch.float64)
                labels[rank - 1] = 1.0
                curve.append(float(pull(LOSSES[name], labels)[rank - 1]))
            largest = max(abs(x) for x in curve)
            axis.plot(ranks, [x / largest for x in curve], color=colour, linestyle=style, lw=1.8)
            # The same curve for listmle, p_listmle, binary_listnet and unique_softmax.
            label = "softmax, and most others" if name == "softmax" else name
            handles.append(Line2D([], [], color=colour, linestyle=style, lw=1.8, label=label))
        axis.set_title(group, fontsize=10)
        axis.set_xlabel("rank of the only relevant document")
        axis.set_xticks([1, 5, 10, 15, 20])
        axis.axhline(0.0, color="#333333", linewidth=0.8)
        axis.legend(
            handles=handles,
            fontsize=8,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
            ncol=2,
        )
    axes[0].set_ylabel("pull on it, over the largest")
    figure.tight_layout()
    save(figure, "losses-pull.png")


def save(figure: plt.Figure, name: str) -> None:
    """Writes and closes it."""
    figure.savefig(IMAGES / name, dpi=100, facecolor="white", bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Draws both."""
    mpl.use("Agg")
    mpl.rcParams.update(
        {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "axes.grid": False}
    )
    draw_gradients()
    draw_pull()


if __name__ == "__main__":
    main()
