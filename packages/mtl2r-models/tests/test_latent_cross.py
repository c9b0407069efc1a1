"""The latent cross: its formula, and where it begins."""

import pytest
import torch

from mtl2r_models import LatentCross

SIZES = {"hidden": 8, "heads": 2, "feedforward": 16, "dropout": 0.0}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_at_the_start_a_document_does_not_see_its_list():
    model = LatentCross(5, **SIZES)
    features = draw(1, 4, 5)
    torch.testing.assert_close(model(features)[:, 2:3], model(features[:, 2:3]))


def test_it_is_the_documents_part_times_one_plus_the_context():
    model = LatentCross(5, **SIZES, layers=1, blocks=1)
    with torch.no_grad():
        model.context.weight.copy_(draw(8, 8))
    features = draw(2, 4, 5)
    context = model.context(model.context_norm(model.blocks[0](model.input(features), None)))
    linear, norm = model.item[0], model.item[1]
    item = torch.relu(norm(linear(features)))
    torch.testing.assert_close(model.encode(features), (1 + context) * item)


def test_the_context_learns():
    model = LatentCross(5, **SIZES)
    model(draw(2, 4, 5)).square().sum().backward()
    assert model.context.weight.grad.any()


@pytest.mark.parametrize("size", ["hidden", "layers", "blocks", "heads", "feedforward"])
def test_bad_sizes_are_named(size):
    with pytest.raises(ValueError, match=f"`{size}` must be at least 1, got 0"):
        LatentCross(5, **{**SIZES, size: 0})
