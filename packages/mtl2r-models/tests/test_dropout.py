"""Dropout on the CPU: its distribution, its gradients, and what it keeps in memory."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mtl2r_models import ListTransformer
from mtl2r_models.cpu import _attention as attention_kernels
from mtl2r_models.cpu._dropout import Noise
from mtl2r_models.cpu._plain import apply
from mtl2r_models.layers import Dropout, ReLUDropout, attention_mask


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.9])
def test_noise_is_independent_with_its_probability(probability):
    noise = Noise(probability, seed=3).fill_(torch.empty(400, 1001)).numpy()
    assert set(np.unique(noise)) == {0.0, 1.0}
    deviations = math.sqrt(probability * (1 - probability) / noise.size)
    assert abs(noise.mean() - (1 - probability)) < 5 * deviations
    centred = (noise - noise.mean()) / noise.std()
    for lag in (1, 2, 3, 4, 1001):  # within a word of the generator, and from row to row
        flat = centred.ravel()
        assert abs((flat[lag:] * flat[:-lag]).mean()) < 5 / math.sqrt(noise.size)


@given(probability=st.floats(0.0, 1.0, exclude_max=True), seed=st.integers(0, 2**62))
def test_scale_is_one_over_the_share_that_is_kept(probability, seed):
    noise = Noise(probability, seed)
    assert abs(1 / noise.scale - (1 - probability)) <= 2**-16
    assert set(noise.fill_(torch.empty(50)).tolist()) <= {0.0, 1.0}


@given(rows=st.integers(1, 6), count=st.integers(1, 9), cut=st.integers(0, 6))
def test_noise_does_not_depend_on_how_many_rows_are_filled_at_a_time(rows, count, cut):
    whole = Noise(0.5, seed=1).fill_(torch.empty(rows, 1, count))
    parts = Noise(0.5, seed=1)
    found = torch.cat([parts.fill_(part) for part in torch.empty(rows, 1, count).split(cut or 1)])
    assert torch.equal(found, whole)


@pytest.mark.parametrize(("kind", "least"), [(Dropout, -math.inf), (ReLUDropout, 0.0)])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (600, 501)])  # the last is more than a block
def test_elements_are_dropped_or_scaled_and_gradients_are_alike(kind, least, shape):
    module = kind(0.25)
    x = draw(*shape).requires_grad_()
    out = module(x)
    kept = out != 0
    expected = torch.where(kept, x.detach().clamp(min=least) / 0.75, 0.0)
    torch.testing.assert_close(out, expected)
    passed = (x > least).sum()
    share, deviation = kept.sum() / passed, math.sqrt(0.25 * 0.75 / passed)
    assert abs(share - 0.75) < 6 * deviation
    incoming = draw(*shape, seed=2)
    (grad,) = torch.autograd.grad(out, x, incoming)
    torch.testing.assert_close(grad, torch.where(kept, incoming / 0.75, 0.0))


@pytest.mark.parametrize("kind", [Dropout, ReLUDropout])
def test_in_evaluation_and_without_probability_nothing_is_dropped(kind):
    x = draw(3, 5)
    expected = x.relu() if kind is ReLUDropout else x
    assert torch.equal(kind(0.5).eval()(x), expected)
    assert torch.equal(kind(0.0)(x), expected)


def test_strided_and_half_precision_tensors_are_taken():
    x = draw(5, 3).to(torch.bfloat16).T.requires_grad_()
    for module in (Dropout(0.25), ReLUDropout(0.25)):
        out = module(x)
        assert (out.dtype, out.shape) == (torch.bfloat16, (3, 5))
        out.sum().backward()
    kept = out != 0
    torch.testing.assert_close(out[kept].float(), x[kept].float() / 0.75, rtol=0.01, atol=0.0)


def test_the_seed_comes_from_torchs_generator():
    x, module = draw(4, 50), Dropout(0.5)
    state = torch.get_rng_state()
    first = module(x)
    assert not torch.equal(module(x), first)
    torch.set_rng_state(state)
    assert torch.equal(module(x), first)


def by_formula(packed, mask, scale, noise):
    """Of queries, keys and values (batch, ·, head, width) that lie side by side on axis 2."""
    query, key, value = (x.transpose(1, 2) for part in packed for x in part.unbind(2))
    logits = query @ key.mT * scale
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf)
    weights = torch.softmax(logits, dim=-1)
    if noise is not None:
        weights = weights * noise.again().fill_(torch.empty(logits.shape)) * noise.scale
    return (weights @ value).transpose(1, 2)


@settings(max_examples=40)
@given(
    batch=st.integers(1, 5),
    heads=st.integers(1, 3),
    queries=st.integers(1, 7),
    keys=st.one_of(st.none(), st.integers(1, 7)),
    masked=st.booleans(),
    block=st.sampled_from([1, 10, 100, 2**18]),
    dropout=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 2**31),
)
def test_attention_on_the_cpu_is_the_formula(
    batch, heads, queries, keys, masked, block, dropout, seed
):
    """Of a list to itself, where `keys` is None, and of some vectors to others."""
    if keys is None:
        packed = [draw(batch, queries, 3, heads, 4, seed=seed)]
    else:
        packed = [draw(batch, n, i, heads, 4, seed=seed + n) for i, n in ((1, queries), (2, keys))]
    packed = [part.requires_grad_() for part in packed]
    mask = None
    if masked:
        mask = attention_mask(draw(batch, keys or queries, seed=seed + 1) < 0.5)
    noise = Noise(dropout, seed) if dropout else None
    second = None if keys is None else packed[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_kernels, "_BLOCK", block)
        if noise is None:
            found = apply(attention_kernels._Fused, packed[0], second, mask, 0.4)
        else:
            found = apply(attention_kernels._Dropped, packed[0], second, mask, 0.4, noise)
        expected = by_formula(packed, mask, 0.4, noise)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        incoming = draw(*found.shape, seed=seed + 2)
        one = torch.autograd.grad(found, packed, incoming, retain_graph=True)
        two = torch.autograd.grad(expected, packed, incoming, create_graph=True)
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
        # The second derivative, and many gradients at once.
        again = torch.autograd.grad(found, packed, incoming, create_graph=True)
        squares = [sum(part.square().sum() for part in parts) for parts in (again, two)]
        curved = torch.autograd.grad(squares[0], packed, retain_graph=True)
        expected = torch.autograd.grad(squares[1], packed)
        torch.testing.assert_close(curved, expected, rtol=1e-3, atol=1e-3)
        rows = torch.autograd.grad(
            found, packed, torch.stack([incoming, 2 * incoming]), is_grads_batched=True
        )
        expected = tuple(torch.stack([part, 2 * part]) for part in one)
        torch.testing.assert_close(rows, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padded", [False, True])
def test_training_keeps_nothing_of_size_list_times_list(padded):
    batch, length, heads = 2, 64, 4
    model = ListTransformer(5, hidden=16, layers=2, heads=heads, feedforward=32, dropout=0.3)
    mask = torch.arange(length) < torch.tensor([[length], [length - 9 if padded else length]])
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(draw(batch, length, 5), mask).sum().backward()
    assert max(sizes) < batch * length * length


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation gives."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_long_list_needs_no_tensor_of_list_times_list(dropout, monkeypatch):
    monkeypatch.setattr(attention_kernels, "_BLOCK", 1 << 13)
    length = 300
    model = ListTransformer(5, hidden=16, layers=1, heads=2, feedforward=32, dropout=dropout)
    mask = torch.arange(length)[None] < length - 7
    with Largest() as largest:
        model(draw(1, length, 5), mask).sum().backward()
    assert largest.elements < length * length


@pytest.mark.parametrize("shape", [(2, 0, 5), (0, 3, 5)])
def test_training_on_nothing_gives_no_scores(shape):
    model = ListTransformer(5, hidden=16, layers=1, heads=2, feedforward=32, dropout=0.3)
    assert model(torch.zeros(shape)).shape == shape[:2]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_training_under_autocast_has_finite_gradients(dtype):
    model = ListTransformer(5, hidden=16, layers=2, heads=2, feedforward=32, dropout=0.3)
    mask = torch.arange(6) < torch.tensor([[6], [3]])
    with torch.autocast("cpu", dtype=dtype):
        scores = model(draw(2, 6, 5), mask)
    scores[mask].float().sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in model.head.parameters())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_training_compiles_to_one_graph():
    torch.compiler.reset()
    model = ListTransformer(5, hidden=16, layers=1, heads=2, feedforward=32, dropout=0.3)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    state = torch.get_rng_state()
    first, second = compiled(draw(2, 6, 5)), compiled(draw(2, 6, 5))
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(compiled(draw(2, 6, 5)), first)


def test_a_seed_repeats_its_noise_and_the_mean_is_what_passes():
    one, two = (Noise(0.5, seed=7).fill_(torch.empty(9)) for _ in range(2))
    assert torch.equal(one, two)
    assert round(float(Noise(0.3, seed=7).fill_(torch.empty(100_000)).mean()), 2) == 0.7
