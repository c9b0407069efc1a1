"""Compiled losses: the loops made for a compiler, shapes that change, and the compiler itself."""

import contextlib
import warnings
from functools import partial

import pytest
import torch

from ltr_losses import approx_ndcg_loss, lambda_loss, pairwise_hinge_loss, ranknet_loss
from ltr_losses._logistic import _log1p

LOSSES = {
    **{
        scheme: partial(lambda_loss, scheme=scheme)
        for scheme in (
            "ndcg1",
            "ndcg2",
            "ndcg2pp",
            "lambdarank",
            "ranknet",
            "labeldiff",
            "arp1",
            "arp2",
            "map",
        )
    },
    "precision": partial(lambda_loss, scheme="precision", k=4),
    "lambdarank@3": partial(lambda_loss, scheme="lambdarank", k=3, sigma=2.0),
    "map@5": partial(lambda_loss, scheme="map", k=5),
    "ranknet_loss": partial(ranknet_loss, power=2.0),
    "approx_ndcg": partial(approx_ndcg_loss, temperature=0.3),
    "approx_ndcg@4": partial(approx_ndcg_loss, temperature=0.3, k=4),
    "hinge": pairwise_hinge_loss,
}


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        # What torch 2.13 warns of in its own tracer and in its own inductor.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def problem(batch=3, n=13, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(batch, n, generator=generator, dtype=dtype).mul(3.0)
    scores[0] = scores[0].round()  # ties
    labels = torch.randint(0, 5, (2, batch, n), generator=generator).to(dtype)
    mask = torch.arange(n) < torch.randint(1, n + 1, (batch, 1), generator=generator)
    weights = torch.rand(batch, n, generator=generator, dtype=dtype)
    return scores, labels, mask, weights


def value_and_gradient(loss, scores, *arguments, **options):
    scores = scores.clone().requires_grad_()
    value = loss(scores, *arguments, **options)
    return value.detach(), torch.autograd.grad(value.sum(), scores)[0]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tasks", ["shared", "scores each"])
def test_the_loop_for_a_compiler_is_that_in_blocks(monkeypatch, name, weighted, tasks):
    scores, labels, mask, weights = problem()
    if tasks == "scores each":
        scores = torch.stack([scores, -scores])
    options = {"mask": mask, "weights": weights if weighted else None, "reduction": "none"}
    blocks = value_and_gradient(LOSSES[name], scores, labels, **options)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    loop = value_and_gradient(LOSSES[name], scores, labels, **options)
    torch.testing.assert_close(loop, blocks, rtol=1e-10, atol=1e-12)


def test_the_series_of_the_logarithm_is_exact_in_float32():
    # From 0 to 1, and where a rounded 1 + t would lose all of t.
    t = torch.cat([torch.linspace(0.0, 1.0, 100_001), torch.logspace(-38.0, 0.0, 10_001)])
    expected = torch.log1p(t.double())
    torch.testing.assert_close(_log1p(t).double(), expected, rtol=2.0**-22, atol=0.0)
    torch.testing.assert_close(_log1p(t.double()), expected, rtol=0.0, atol=0.0)


def test_many_tasks_are_not_unrolled(monkeypatch):
    scores, labels, mask, _ = problem()
    labels = torch.cat([labels.roll(i, -1) for i in range(5)])
    blocks = value_and_gradient(lambda_loss, scores, labels, mask=mask)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    loop = value_and_gradient(lambda_loss, scores, labels, mask=mask)
    torch.testing.assert_close(loop, blocks, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["ndcg2pp", "lambdarank@3", "approx_ndcg", "hinge"])
def test_lists_of_changing_length_compile_few_times(name):
    torch.compiler.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(LOSSES[name], fullgraph=True, dynamic=True, backend=backend)
    with quiet():
        for n in (9, 17, 5, 30, 12):
            scores, labels, mask, _ = problem(n=n)
            actual = value_and_gradient(compiled, scores, labels, mask=mask)
            expected = value_and_gradient(LOSSES[name], scores, labels, mask=mask)
            torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    assert len(graphs) <= 2


def agrees_when_compiled(loss, *, dynamic=None):
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, dynamic=dynamic)
    scores, labels, mask, _ = problem(4, 40, torch.float32)
    with quiet():
        actual = value_and_gradient(compiled, scores, labels, mask=mask)
    expected = value_and_gradient(loss, scores, labels, mask=mask)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)


def test_inductor_agrees():
    agrees_when_compiled(lambda_loss)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dynamic", [None, True])
def test_inductor_agrees_for_all(name, dynamic):
    agrees_when_compiled(LOSSES[name], dynamic=dynamic)
