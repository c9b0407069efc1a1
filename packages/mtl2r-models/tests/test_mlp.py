"""The multilayer perceptron: its formula, and that it looks at one document at a time."""

import pytest
import torch

from mtl2r_models import MLPScorer


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_it_is_the_formula():
    model = MLPScorer(5, hidden=(4, 3)).eval()
    x = draw(2, 3, 5)
    (w0, b0), (w1, b1), (w, b) = (
        (layer.weight, layer.bias)
        for layer in model.modules()
        if isinstance(layer, torch.nn.Linear)
    )
    hidden = torch.relu(torch.relu(x @ w0.T + b0) @ w1.T + b1)
    torch.testing.assert_close(model(x), (hidden @ w.T + b)[..., 0])


def test_a_document_does_not_see_its_list():
    model = MLPScorer(5, hidden=(8,)).eval()
    features = draw(1, 4, 5)
    alone = model(features[:, 2:3])
    torch.testing.assert_close(model(features)[:, 2:3], alone)


@pytest.mark.parametrize(
    ("hidden", "error", "message"),
    [
        ((), ValueError, "`hidden` must name the width of at least one layer"),
        (8, TypeError, "`hidden` must be the widths of the layers, got 8"),
        ("84", TypeError, "`hidden` must be the widths of the layers, got '84'"),
        ((4, 0), ValueError, "`hidden` must be at least 1, got 0"),
        ((4, 1.5), TypeError, "`hidden` must be an int, got 1.5"),
    ],
)
def test_bad_widths_are_named(hidden, error, message):
    with pytest.raises(error, match=message):
        MLPScorer(5, hidden=hidden)
