"""The list transformer: its size, its attention, its positions."""

import math

import pytest
import torch

from mtl2r_models import ListTransformer
from mtl2r_models.layers import Attention, SinusoidalPositions, TransformerBlock

SMALL = {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32}


def small(**options):
    generator = torch.Generator().manual_seed(0)
    return ListTransformer(5, **SMALL, generator=generator, **options).eval()


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def size(features, hidden, layers, feedforward, final_norm, scores=1):
    linear = lambda i, o: i * o + o  # noqa: E731
    norm = 2 * hidden
    attention = 4 * linear(hidden, hidden)
    block = attention + linear(hidden, feedforward) + linear(feedforward, hidden) + 2 * norm
    body = linear(features, hidden) + layers * block + final_norm * norm
    return body + scores * linear(hidden, 1)


def test_preset_has_the_parameters_of_the_web30k_study():
    model = ListTransformer(132)
    assert sum(p.numel() for p in model.parameters()) == 810_497
    assert size(132, 128, 4, 512, final_norm=1) == 810_497


@pytest.mark.parametrize(
    ("options", "more", "final_norm", "scores"),
    [
        ({"norm": "pre"}, 0, 1, 1),
        ({"norm": "post"}, 0, 0, 1),
        ({"num_tasks": 3}, 0, 1, 3),
        ({"positions": "sinusoidal"}, 0, 1, 1),
        ({"positions": "learned", "max_length": 7}, 7 * 16, 1, 1),
    ],
)
def test_size_follows_the_formula(options, more, final_norm, scores):
    expected = size(5, 16, 2, 32, final_norm=final_norm, scores=scores) + more
    assert sum(p.numel() for p in small(**options).parameters()) == expected


def test_a_document_sees_its_list():
    model, features = small(), draw(1, 3, 5)
    changed = features.clone()
    changed[0, 2] += 1
    assert not torch.allclose(model(features)[0, 0], model(changed)[0, 0], atol=1e-4)


@pytest.mark.parametrize(("scale", "width"), [("head", 4), ("model", 16)])
def test_attention_is_softmax_of_scaled_products(scale, width):
    attention = Attention(16, 4, scale=scale)
    x = draw(1, 3, 16)
    heads = lambda f: f(x).view(3, 4, 4).transpose(0, 1)  # noqa: E731
    q, k, v = heads(attention.query), heads(attention.key), heads(attention.value)
    mixed = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(width), dim=-1) @ v
    expected = attention.out(mixed.transpose(0, 1).reshape(1, 3, 16))
    torch.testing.assert_close(attention(x, None), expected)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_blocks_are_the_papers_formulas(norm):
    block = TransformerBlock(16, 4, 32, norm=norm)
    x = draw(2, 3, 16)
    attend = lambda h: block.attention(h, None)  # noqa: E731
    one, two = block.attention_norm, block.feedforward_norm
    if norm == "pre":
        h = x + attend(one(x))
        expected = h + block.feedforward(two(h))
    else:
        h = one(x + attend(x))
        expected = two(h + block.feedforward(h))
    torch.testing.assert_close(block(x, None), expected)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoidal_positions_are_sines_and_cosines_of_the_rank(width):
    found = SinusoidalPositions()(torch.zeros(1, 5, width), None)[0]
    for i in range(5):
        for column in range(width):
            angle = i / 10_000 ** (2 * (column // 2) / width)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert found[i, column].item() == pytest.approx(expected, abs=1e-6)


def test_documents_behind_the_last_learned_position_share_it():
    model = small(positions="learned", max_length=3)
    same = draw(1, 1, 5).expand(1, 6, 5)
    scores = model(same)[0]
    assert len(scores[:3].unique()) == 3
    torch.testing.assert_close(scores[2:], scores[2].expand(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 3}, "`heads` must divide `hidden`=16, got 3"),
        ({"layers": 0}, "`layers` must be at least 1, got 0"),
        ({"norm": "middle"}, "`norm` must be 'pre' or 'post', got 'middle'"),
        ({"attention_scale": "x"}, "`attention_scale` must be 'head' or 'model', got 'x'"),
        ({"positions": "x"}, "`positions` must be 'none', 'sinusoidal' or 'learned', got 'x'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ListTransformer(5, **{**SMALL, **arguments})
