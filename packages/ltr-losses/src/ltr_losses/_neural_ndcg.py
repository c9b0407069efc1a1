"""NeuralNDCG."""

from functools import partial
from typing import SupportsIndex

import torch
from torch import Tensor

from ._check import Reduction, check_choice, check_k, check_positive, prepare
from ._gains import GAINS, Gain, cut, log2_discount
from ._gumbel import gumbel
from ._soft_ndcg import ndcg_shortfall


def _neural_sort(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """NeuralSort: a row-stochastic (..., position, document) matrix over the real documents.

    The positions below the last document hold nothing of use.
    """
    n = mask.sum(-1, keepdim=True).to(scores.dtype)
    centre = scores.sum(-1, keepdim=True) / n.clamp(min=1.0)
    s = torch.where(mask, scores - centre, 0.0) / temperature
    gaps = (s.unsqueeze(-1) - s.unsqueeze(-2)).abs()
    spread = (gaps @ mask.to(s.dtype).unsqueeze(-1)).squeeze(-1)
    i = torch.arange(1, s.shape[-1] + 1, dtype=s.dtype, device=s.device)
    logits = (n + 1.0 - 2.0 * i).unsqueeze(-1) * s.unsqueeze(-2) - spread.unsqueeze(-2)
    floor = torch.finfo(s.dtype).min
    return torch.where(mask.unsqueeze(-2), logits, floor).softmax(-1)


def _inverse(x: Tensor) -> Tensor:
    """1 / x, and 0 in the padding."""
    return torch.where(x > 0, 1.0 / torch.where(x > 0, x, 1.0), 0.0)


def _scale(matrix: Tensor, mask: Tensor, steps: int, columns_last: bool) -> tuple[Tensor, Tensor]:
    """Sinkhorn's factors of rows and columns, 0 at the padding.

    Only vectors change from step to step, so that autograd keeps `steps` vectors beside the one
    matrix. The largest entry of a row of NeuralSort is 1/n or more and stands in another column for
    each row: no column underflows, and logarithms are not needed.
    """
    turned = matrix.transpose(-1, -2)
    column = mask.to(matrix.dtype)
    filled = torch.arange(mask.shape[-1], device=mask.device) < mask.sum(-1, keepdim=True)
    row = real = filled.to(matrix.dtype)
    for _ in range(steps):
        if columns_last:
            row = real * _inverse((matrix @ column.unsqueeze(-1)).squeeze(-1))
            column = _inverse((turned @ row.unsqueeze(-1)).squeeze(-1))
        else:
            column = _inverse((turned @ row.unsqueeze(-1)).squeeze(-1))
            row = real * _inverse((matrix @ column.unsqueeze(-1)).squeeze(-1))
    return row, column


def neural_ndcg_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    k: SupportsIndex | None = None,
    gain: Gain = "exp2",
    transposed: bool = False,
    steps: int = 50,
    samples: int = 0,
    noise: float = 1.0,
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""1 − NDCG with a smooth sort.

        ℓ(s, y) = Σ_i w_i G_i (1 / log2(1 + r*_i) − Σ_p P_pi / log2(1 + p))

    with P the matrix of NeuralSort at temperature τ, made doubly stochastic by Sinkhorn scaling, G
    the gains over the ideal DCG and r* the ranks by label (equal labels share their discounts).
    Memory is O(batch · list²), a few matrices whatever the number of Sinkhorn steps. It may be
    differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), negative labels have gain 0; the leading axes broadcast with those of
            the scores.
        temperature: τ; the smaller, the closer to NDCG and the steeper.
        k: Only the first k positions have a discount. None: all have.
        gain: "exp2", 2^y − 1, or "linear", y.
        transposed: Whether the last half step makes the columns (the share of each document) sum to
            one, and not the rows (what stands at each position).
        steps: Sinkhorn steps; 0 leaves NeuralSort as it is.
        samples: Number of times the scores get Gumbel noise, to be averaged over; 0: no noise. With
            noise it does not compile without a graph break, as PyTorch's generators do not.
        noise: Size of that noise.
        generator: Where it comes from; needed when there are `samples`.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        reduction: "mean" over the lists with a document of positive gain, "sum", both over the
            batch axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a bad `temperature`,
            `k`, `gain`, `steps`, `samples` or `noise`.

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[3.0, 2.0, 1.0]])
        >>> labels = torch.tensor([[0.0, 1.0, 0.0]])
        >>> neural_ndcg_loss(scores, labels, temperature=0.01)  # 1 − 1 / log2(3)
        tensor(0.3691)

    References:
        P. Pobrotyn, R. Białobrzeski, "NeuralNDCG: direct optimisation of a ranking metric via
        differentiable relaxation of sorting", 2021; A. Grover, E. Wang, A. Zweig, S. Ermon,
        "Stochastic optimization of sorting networks via continuous relaxations", ICLR 2019.
    """
    check_positive("temperature", temperature)
    k = check_k(k)
    check_choice("gain", gain, GAINS)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"`steps` must be an int of 0 or more, got {steps!r}")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
        raise ValueError(f"`samples` must be an int of 0 or more, got {samples!r}")

    if samples:
        if generator is None:
            raise ValueError("`generator` must be given where `samples` is not 0, got None")
        plain = partial(
            neural_ndcg_loss,
            temperature=temperature,
            k=k,
            gain=gain,
            transposed=transposed,
            steps=steps,
        )
        noisy = gumbel(plain, samples=samples, noise=noise, generator=generator)
        return noisy(scores, labels, mask=mask, weights=weights, reduction=reduction)
    lists = prepare(scores, labels, mask, weights, reduction)
    with torch.autocast(lists.scores.device.type, enabled=False):
        matrix = _neural_sort(lists.scores, lists.mask, temperature)
        row, column = _scale(matrix, lists.mask, steps, columns_last=transposed)
        discount = cut(log2_discount(matrix.shape[-1], matrix), k)
        shares = column * ((row * discount).unsqueeze(-2) @ matrix).squeeze(-2)
    return ndcg_shortfall(lists, shares, gain, k, reduction)
