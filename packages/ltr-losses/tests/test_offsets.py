"""Jagged rows give what the padded batch gives; offsets that cut nothing are errors."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_losses as ours
from ltr_losses import RankingLoss, listnet_loss, ordinal_loss

LOSSES = {
    "mse": ours.mse_loss,
    "bce": ours.bce_loss,
    "ordinal": partial(ours.ordinal_loss, thresholds=[-1.0, 0.0, 1.0]),
    "listnet": ours.listnet_loss,
    "binary listnet": ours.binary_listnet_loss,
    "softmax": ours.softmax_loss,
    "poly1": ours.poly1_softmax_loss,
    "unique softmax": ours.unique_softmax_loss,
    "listmle": ours.listmle_loss,
    "p-listmle": ours.p_listmle_loss,
    "pairwise mse": ours.pairwise_mse_loss,
    "exposure": ours.exposure_loss,
}
METRICS = {
    "arp": ours.arp,
    "average precision": ours.average_precision,
    "dcg": partial(ours.dcg, k=3),
    "err": ours.err,
    "exposure gap": ours.exposure_gap,
    "hit rate": partial(ours.hit_rate, k=2),
    "mrr": ours.mrr,
    "ndcg": partial(ours.ndcg, k=4, ties="average"),
    "precision": partial(ours.precision, k=2),
    "rbp": ours.rbp,
    "recall": partial(ours.recall, k=2),
}


@st.composite
def split(draw):
    """The lengths of lists, some empty, and a generator."""
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any))
    return lengths, torch.Generator().manual_seed(draw(st.integers(0, 2**32)))


def jagged(lengths, generator):
    """Scores, labels of two tasks, a mask and weights over (..., documents), and the offsets."""
    n = sum(lengths)
    scores = torch.randn(n, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, n), generator=generator).double()
    mask = torch.rand(2, n, generator=generator) < 0.8
    weights = torch.rand(n, generator=generator, dtype=torch.float64)
    return scores, labels, mask, weights, torch.tensor([0, *lengths]).cumsum(0)


def pad(x, lengths, fill=0):
    rows = x.split(lengths, -1)
    width = max(lengths)
    return torch.stack(
        [torch.nn.functional.pad(r, (0, width - r.shape[-1]), value=fill) for r in rows], -2
    )


@settings(max_examples=8)
@given(split())
@pytest.mark.parametrize("name", [*LOSSES, *METRICS])
def test_jagged_rows_are_the_padded_batch(name, problem):
    function = {**LOSSES, **METRICS}[name]
    lengths, generator = problem
    scores, labels, mask, weights, offsets = jagged(lengths, generator)
    for reduction in ("none", "mean", "sum"):
        s = scores.clone().requires_grad_()
        rows = function(s, labels, mask=mask, weights=weights, offsets=offsets, reduction=reduction)
        t = scores.clone().requires_grad_()
        batch = function(
            pad(t, lengths),
            pad(labels, lengths),
            mask=pad(mask, lengths, False),
            weights=pad(weights, lengths),
            reduction=reduction,
        )
        torch.testing.assert_close(rows, batch, rtol=1e-12, atol=1e-12, equal_nan=True)
        if name in LOSSES:
            (actual,) = torch.autograd.grad(rows.sum(), s)
            (expected,) = torch.autograd.grad(batch.sum(), t)
            torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def test_without_a_mask_every_document_is_real():
    scores = torch.tensor([1.0, float("nan"), 0.5, 2.0])
    labels = torch.tensor([1.0, 0.0, 0.0, 1.0])
    offsets = torch.tensor([0, 2, 2, 4])
    each = listnet_loss(scores, labels, offsets=offsets, reduction="none")
    assert each[0].isnan()  # shown, and kept out of its neighbour
    torch.testing.assert_close(each[2], listnet_loss(scores[2:], labels[2:]))
    assert each[1] == 0.0


def test_heads_ranks_weights_of_tasks_and_the_module():
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 0, 5]
    scores, labels, _, _, offsets = jagged(lengths, generator)
    heads = torch.randn(3, 8, generator=generator, dtype=torch.float64)
    padded = pad(heads, lengths).movedim(0, -2)
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(-1)
    torch.testing.assert_close(
        ordinal_loss(heads, labels, offsets=offsets),
        ordinal_loss(padded, pad(labels, lengths), mask=mask),
    )
    ranks = torch.rand(8, generator=generator, dtype=torch.float64) * 4.0 + 1.0
    torch.testing.assert_close(
        ours.ndcg(scores, labels, ranks=ranks, offsets=offsets),
        ours.ndcg(
            pad(scores, lengths), pad(labels, lengths), mask=mask, ranks=pad(ranks, lengths, 1.0)
        ),
    )
    tasks = torch.tensor([[2.0], [3.0]])
    plain = listnet_loss(scores, labels, offsets=offsets)
    weighted = RankingLoss(listnet_loss)(scores, labels, weights=tasks, offsets=offsets)
    torch.testing.assert_close(weighted, plain * tasks.squeeze(-1))


@pytest.mark.parametrize(
    ("offsets", "error", "message"),
    [
        ([0, 4], TypeError, "`offsets` must be a tensor, got list"),
        (torch.tensor([0.0, 4.0]), TypeError, "`offsets` must be int64, got torch.float32"),
        (torch.tensor([0]), ValueError, r"`offsets` must be \(batch \+ 1,\), got shape \(1,\)"),
        (torch.tensor([1, 4]), ValueError, "`offsets` must start at 0, got 1"),
        (torch.tensor([0, 3, 2, 4]), ValueError, "must not decrease, got 3 and then 2 at 2"),
        (torch.tensor([0, 3]), ValueError, "end at the number of documents, 4, got 3"),
    ],
)
def test_bad_offsets(offsets, error, message):
    for function in (listnet_loss, ours.ndcg):
        with pytest.raises(error, match=message):
            function(torch.zeros(4), torch.zeros(4), offsets=offsets)


def test_other_arguments_have_as_many_documents():
    offsets = torch.tensor([0, 4])
    with pytest.raises(ValueError, match="`labels` must have 4 documents"):
        listnet_loss(torch.zeros(4), torch.zeros(3), offsets=offsets)
    with pytest.raises(ValueError, match="`mask` must have 4 documents"):
        listnet_loss(
            torch.zeros(4), torch.zeros(4), mask=torch.ones(1, dtype=torch.bool), offsets=offsets
        )
