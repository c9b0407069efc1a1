"""Induced set attention: its formula, and that its cost is linear in the list."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtl2r_models import ListTransformer, SetTransformer
from mtl2r_models.layers import Attention, InducedBlock

SIZES = {"hidden": 8, "layers": 2, "heads": 2, "feedforward": 16}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_attention_is_that_of_torch():
    ours, theirs = Attention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    of, to = draw(2, 3, 8), draw(2, 5, 8, seed=1)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    expected, _ = theirs(of, to, to, key_padding_mask=~mask)
    torch.testing.assert_close(ours(of, mask[:, None, None], to), expected)


def test_documents_meet_at_the_points_alone():
    block = InducedBlock(8, 2, 16, points=3)
    torch.nn.init.normal_(block.points)
    hidden = draw(1, 5, 8)
    points = block.gather(block.points[None], hidden, None)
    torch.testing.assert_close(block(hidden, None), block.read(hidden, points, None))
    # With the points held, a document does not see the others.
    alone = block.read(hidden[:, 2:3], points, None)
    torch.testing.assert_close(block.read(hidden, points, None)[:, 2:3], alone)


def test_a_document_sees_its_list():
    model = SetTransformer(5, **SIZES, points=4).eval()
    features = draw(1, 4, 5)
    changed = features.clone()
    changed[0, 3] += 1
    assert not torch.allclose(model(features)[0, :3], model(changed)[0, :3])


def flops(model, length):
    model.requires_grad_(False)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(torch.zeros(1, length, 5))
    return counter.get_total_flops()


def test_the_arithmetic_is_linear_in_the_list():
    model = SetTransformer(5, **SIZES, points=4).eval()
    first, second, third = (flops(model, length) for length in (1000, 2000, 3000))
    assert third - second == second - first
    full = ListTransformer(5, **SIZES).eval()
    first, second, third = (flops(full, length) for length in (1000, 2000, 3000))
    assert third - second > second - first


@pytest.mark.parametrize("size", ["hidden", "layers", "heads", "feedforward", "points"])
def test_bad_sizes_are_named(size):
    with pytest.raises(ValueError, match=f"`{size}` must be at least 1, got 0"):
        SetTransformer(5, **{**SIZES, size: 0})


def test_heads_must_divide():
    with pytest.raises(ValueError, match="`heads` must divide `hidden`=8, got 3"):
        SetTransformer(5, hidden=8, heads=3)
