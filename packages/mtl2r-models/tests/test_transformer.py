"""The list transformer: its size, and what its scores must not depend on."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl2r_models import ListTransformer
from mtl2r_models.layers import SelfAttention

SMALL = {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32, "dropout": 0.3}
NORMS = ["pre", "post"]


def small(norm="pre", num_features=5, **options):
    generator = torch.Generator().manual_seed(0)
    model = ListTransformer(num_features, **SMALL, norm=norm, generator=generator, **options)
    return model.eval()


def size(features, hidden, layers, feedforward, final_norm):
    linear = lambda i, o: i * o + o  # noqa: E731
    norm = 2 * hidden
    attention = 4 * linear(hidden, hidden)
    block = attention + linear(hidden, feedforward) + linear(feedforward, hidden) + 2 * norm
    return linear(features, hidden) + layers * block + final_norm * norm + linear(hidden, 1)


def test_preset_has_the_parameters_of_the_web30k_study():
    model = ListTransformer(132)
    assert sum(p.numel() for p in model.parameters()) == 810_497
    assert size(132, 128, 4, 512, final_norm=1) == 810_497


@pytest.mark.parametrize("norm", NORMS)
def test_size_follows_the_formula(norm):
    model = small(norm)
    expected = size(5, 16, 2, 32, final_norm=norm == "pre")
    assert sum(p.numel() for p in model.parameters()) == expected


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    extra=st.integers(0, 5),
    norm=st.sampled_from(NORMS),
    seed=st.integers(0, 2**31),
)
def test_scores_depend_on_neither_padding_nor_neighbours(lengths, extra, norm, seed):
    generator = torch.Generator().manual_seed(seed)
    model = small(norm)
    width = max(lengths) + extra
    features = torch.randn(len(lengths), width, 5, generator=generator) * 3
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    together = model(features, mask)
    for i, length in enumerate(lengths):
        alone = model(features[i : i + 1, :length])[0]
        torch.testing.assert_close(together[i, :length], alone, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)), norm=st.sampled_from(NORMS))
def test_permuting_the_documents_permutes_the_scores(order, norm):
    model = small(norm)
    features = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(1))
    expected = model(features)[:, list(order)]
    torch.testing.assert_close(model(features[:, list(order)]), expected, rtol=1e-4, atol=1e-5)


def test_a_document_sees_its_list():
    model = small()
    features = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(1))
    changed = features.clone()
    changed[0, 2] += 1
    assert not torch.allclose(model(features)[0, 0], model(changed)[0, 0], atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_a_list_of_padding_alone_has_finite_scores_and_gradients(norm):
    model = small(norm)
    mask = torch.tensor([[True, True], [False, False]])
    scores = model(torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(1)), mask)
    assert torch.isfinite(scores).all()
    scores[mask].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(("scale", "width"), [("head", 4), ("model", 16)])
def test_attention_is_softmax_of_scaled_products(scale, width):
    attention = SelfAttention(16, 4, scale=scale)
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    heads = lambda f: f(x).view(3, 4, 4).transpose(0, 1)  # noqa: E731
    q, k, v = heads(attention.query), heads(attention.key), heads(attention.value)
    mixed = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(width), dim=-1) @ v
    expected = attention.out(mixed.transpose(0, 1).reshape(1, 3, 16))
    torch.testing.assert_close(attention(x, None), expected)


def test_dropout_acts_in_training_only():
    model = small()
    features = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(model(features), model(features))
    model.train()
    assert not torch.equal(model(features), model(features))


def test_same_generator_same_weights():
    one, two = small(), small()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_forward_is_score_of_encode_and_all_parameters_are_shared():
    model = small()
    features = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(1))
    hidden = model.encode(features)
    assert hidden.shape == (1, 4, 16)
    assert torch.equal(model.score(hidden), model(features))
    assert list(model.shared_parameters()) == list(model.parameters())
    assert list(model.task_parameters()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 3}, "`heads` must divide `hidden`=16, got 3"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\), got 1.0"),
        ({"layers": 0}, "`layers` must be at least 1, got 0"),
        ({"norm": "middle"}, "`norm` must be 'pre' or 'post', got 'middle'"),
        ({"attention_scale": "x"}, "`scale` must be 'head' or 'model', got 'x'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ListTransformer(5, **{**SMALL, **arguments})


@pytest.mark.parametrize(
    ("features", "mask", "error", "message"),
    [
        (torch.zeros(2, 3, 4), None, ValueError, r"\(batch, list, 5\), got \(2, 3, 4\)"),
        (torch.zeros(3, 5), None, ValueError, r"\(batch, list, 5\), got \(3, 5\)"),
        (
            torch.zeros(2, 3, 5),
            torch.ones(2, 4, dtype=torch.bool),
            ValueError,
            r"`mask` .*\(2, 3\)",
        ),
        (torch.zeros(2, 3, 5), torch.ones(2, 3), TypeError, "`mask` must be bool"),
    ],
)
def test_bad_inputs_are_named(features, mask, error, message):
    with pytest.raises(error, match=message):
        small()(features, mask)
