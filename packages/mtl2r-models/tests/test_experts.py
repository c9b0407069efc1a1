"""The mixture of experts: its formula, and which parameters a task has to itself."""

import pytest
import torch

from mtl2r_models import MLPScorer
from mtl2r_models.layers import MixtureOfExperts


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("shared", "own"), [(3, 0), (2, 1), (0, 2)])
def test_a_score_is_of_the_experts_weighed_by_the_tasks_gate(shared, own):
    width = 4
    head = MixtureOfExperts(5, num_tasks=2, shared=shared, own=own, width=width)
    hidden = draw(3, 6, 5)
    scores = head(hidden)
    for k, task in enumerate(head.tasks):
        layers = ([head.shared] if shared else []) + ([task["experts"]] if own else [])
        experts = torch.cat([torch.relu(layer(hidden)) for layer in layers], -1)
        gates = task["gate"](hidden).softmax(-1)
        assert gates.shape[-1] == shared + own
        mixed = sum(
            gates[..., i : i + 1] * experts[..., i * width : (i + 1) * width]
            for i in range(shared + own)
        )
        expected = mixed @ task["score"].weight[0] + task["score"].bias
        torch.testing.assert_close(scores[k], expected)


def test_the_tasks_gates_and_experts_are_theirs_alone():
    head = MixtureOfExperts(5, num_tasks=2, shared=1, own=1, width=16)
    head(draw(3, 6, 5))[0].square().sum().backward()
    assert all(p.grad.any() for p in head.task_parameters(0))
    assert all(not p.grad.any() for p in head.task_parameters(1))
    assert head.shared.weight.grad.any()


def test_one_expert_is_a_layer_before_the_score():
    head = MixtureOfExperts(5, num_tasks=1, shared=1, width=3)
    hidden, task = draw(2, 4, 5), head.tasks[0]
    expected = task["score"](torch.relu(head.shared(hidden)))[..., 0]
    torch.testing.assert_close(head(hidden)[0], expected)


@pytest.mark.parametrize(
    ("experts", "num_tasks", "message"),
    [
        ({"shared": 0}, 2, "`shared` or `own` must be at least 1, got 0 and 0"),
        ({"shared": -1, "own": 3}, 2, "`shared` must be at least 0, got -1"),
        ({"own": 1.0}, 2, "`own` must be an int, got 1.0"),
        ({"width": 0}, 2, "`width` must be at least 1, got 0"),
        ({"depth": 2}, 2, "`experts`: .* no argument `depth`, only shared, own, width"),
        ({"shared": 2}, None, "`experts` are for one score per task"),
    ],
)
def test_bad_experts_are_named(experts, num_tasks, message):
    with pytest.raises(ValueError, match=message):
        MLPScorer(5, hidden=(8,), experts=experts, num_tasks=num_tasks)
