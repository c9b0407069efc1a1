"""What is lost of NDCG when each document has a soft discount."""

import torch
from torch import Tensor

from ._check import Lists, Reduction
from ._gains import cut, log2_discount, normalised_gain
from ._ranks import average_over_ties, put_back, score_order, tie_keys
from ._reduce import reduce_lists, weighted


def ndcg_shortfall(
    lists: Lists, discount: Tensor, gain: str, k: int | None, reduction: Reduction
) -> Tensor:
    """Reduce Σ_i w_i G_i (D*_i − D_i): 1 − NDCG where the weights are one.

    D, the `discount` (..., list), is in the order of the documents and zero beyond k. D*_i is the
    document's discount in the best order, the same for equal labels; so a weighted loss is linear
    in the weights, and a weight of zero silences a document.
    """
    gains = normalised_gain(lists.labels, lists.mask, gain, k)
    order = score_order(gains, lists.mask)
    ideal = cut(log2_discount(gains.shape[-1], gains), k)
    keys = tie_keys(gains, lists.mask, order)
    best = put_back(average_over_ties(ideal, keys), order)
    terms = torch.where(lists.mask, gains * (best - discount), 0.0)
    terms = weighted(terms, lists)
    return reduce_lists(terms.sum(-1), (gains > 0).any(-1), lists, reduction)
