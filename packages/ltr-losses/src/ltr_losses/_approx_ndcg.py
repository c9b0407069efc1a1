"""ApproxNDCG."""

from typing import SupportsIndex

import torch
from torch import Tensor

from ._check import Reduction, check_choice, check_k, check_positive, prepare
from ._cutoffs import soft_cutoff, within_first
from ._gains import GAINS, Gain
from ._soft_ndcg import ndcg_shortfall
from ._soft_ranks import approx_ranks


def approx_ndcg_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    k: SupportsIndex | None = None,
    gain: Gain = "exp2",
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""1 − NDCG with smooth ranks.

        ℓ(s, y) = Σ_i w_i G_i (1 / log2(1 + r*_i) − c_i / log2(1 + r̂_i)),
        r̂_i = 1 + Σ_{j ≠ i} σ((s_j − s_i) / T),
        c_i = σ((s_i − θ) / T), θ such that Σ_i c_i = k;   1 without `k`

    with G the gains over the ideal DCG and r* the ranks by label (equal labels share their
    discounts, 0 below k). It is at least 0 where the weights are one. The cut-off is smooth in the
    scores, ∂c_i/∂s_j = σ'_i (δ_ij − σ'_j / Σ_l σ'_l) / T, so that a document far below k is
    pulled up too. The gradient is large for documents near
    their rivals' scores and vanishes for those far away from all others. It may be differentiated
    twice. Memory is O(batch · list).

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), negative labels have gain 0; the leading axes broadcast with those of
            the scores.
        temperature: T; the smaller, the closer to NDCG and the steeper.
        k: The last rank that counts, smoothly. None, or more than the list has: all.
        gain: "exp2", 2^y − 1, or "linear", y.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        reduction: "mean" over the lists with a document of positive gain, "sum", both over the
            batch axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a bad
            `temperature`, `k` or `gain`.

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[3.0, 2.0, 1.0]])
        >>> labels = torch.tensor([[0.0, 1.0, 0.0]])
        >>> approx_ndcg_loss(scores, labels, temperature=0.01)  # 1 − 1 / log2(3)
        tensor(0.3691)

    References:
        T. Qin, T.-Y. Liu, H. Li, "A general approximation framework for direct optimization of
        information retrieval measures", Information Retrieval 13, 2010; S. Bruch, M. Zoghi, M.
        Bendersky, M. Najork, "Revisiting approximate metric optimization in the age of deep neural
        networks", SIGIR 2019; the cut-off: B. Amos, V. Koltun, J. Z. Kolter, "The limited
        multi-label projection layer", 2019, arXiv 1906.08707.
    """
    check_positive("temperature", temperature)
    k = check_k(k)
    check_choice("gain", gain, GAINS)
    lists = prepare(scores, labels, mask, weights, reduction)
    ranks = approx_ranks(lists.scores, lists.mask, temperature)
    cutoff = soft_cutoff(lists.scores, lists.mask, temperature)
    discount = within_first(cutoff, k, 1.0 / torch.log2(1.0 + ranks), 0.0)
    return ndcg_shortfall(lists, discount, gain, k, reduction)
