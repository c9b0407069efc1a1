"""ApproxMRR."""

from torch import Tensor

from ._check import Reduction, check_positive, prepare
from ._ranks import of_first
from ._reduce import reduce_lists, weighted
from ._soft_ranks import approx_ranks


def approx_mrr_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""1 − the reciprocal rank of the first relevant document, with smooth ranks.

        ℓ(s, y) = w_i (1 − 1 / r̂_i),   i the relevant document of least r̂,
        r̂_i = 1 + Σ_{j ≠ i} σ((s_j − s_i) / T)

    Only the relevant document that stands highest is pulled up. It may be differentiated twice.
    Memory is O(batch · list).

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), relevant above 0; the leading axes broadcast with those of the scores.
        temperature: T; the smaller, the closer to MRR and the steeper.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; that of the first relevant document counts.
        reduction: "mean" over the lists with a relevant document, "sum", both over the batch axis
            alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a bad `temperature`.

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[3.0, 2.0, 1.0]])
        >>> approx_mrr_loss(scores, torch.tensor([[0.0, 1.0, 0.0]]), temperature=0.01)
        tensor(0.5000)

    References:
        The transform of T. Qin, T.-Y. Liu, H. Li, "A general approximation framework for direct
        optimization of information retrieval measures", Information Retrieval 13, 2010.
    """
    check_positive("temperature", temperature)
    lists = prepare(scores, labels, mask, weights, reduction)
    ranks = approx_ranks(lists.scores, lists.mask, temperature)
    relevant = lists.labels > 0
    values = of_first(weighted(1.0 - 1.0 / ranks, lists), relevant, ranks)
    return reduce_lists(values, relevant.any(-1), lists, reduction)
