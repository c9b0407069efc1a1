"""Members of an ensemble: each is the network seen its own way, and their mean is what ranks."""

import pytest
import torch

from mtl2r_models import ListTransformer, MLPScorer

FEATURES, MEMBERS, HIDDEN = 5, 3, 8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def transformer(**options):
    return ListTransformer(
        FEATURES, hidden=HIDDEN, layers=1, heads=2, feedforward=16, dropout=0.0, **options
    )


@pytest.mark.parametrize("num_tasks", [None, 2])
def test_a_member_is_the_trunk_on_scaled_inputs_with_a_head_of_its_own(num_tasks):
    model, single = transformer(members=MEMBERS, num_tasks=num_tasks), transformer()
    shared = {k: v for k, v in model.state_dict().items() if "head" not in k and "members" not in k}
    single.load_state_dict(shared, strict=False)
    features, mask = draw(2, 4, FEATURES), torch.tensor([[True] * 4, [True, True, False, False]])
    scores = model.train()(features, mask)
    assert scores.shape == (MEMBERS, num_tasks or 1, 2, 4)
    for member in range(MEMBERS):
        hidden = single.encode(features * model.members.scale[member], mask)
        expected = model.head.heads[member](hidden)
        found = scores[member] if num_tasks else scores[member, 0]
        torch.testing.assert_close(found[..., mask], expected[..., mask])
    mean = scores.mean(0) if num_tasks else scores.mean((0, 1))
    torch.testing.assert_close(model.eval()(features, mask)[..., mask], mean[..., mask])


def test_members_begin_as_random_signs_and_differ():
    model = MLPScorer(40, hidden=(8,), members=4, generator=torch.Generator().manual_seed(0))
    scale = model.members.scale
    assert set(scale.unique().tolist()) == {-1.0, 1.0}
    assert len(scale.unique(dim=0)) == 4


def test_one_member_is_the_network_itself():
    model = transformer(members=1)
    assert model.members is None
    assert model.state_dict().keys() == transformer().state_dict().keys()


def test_members_cost_a_scale_and_a_head_each():
    def size(model):
        return sum(parameter.numel() for parameter in model.parameters())

    extra = size(transformer(members=MEMBERS)) - size(transformer())
    assert extra == MEMBERS * FEATURES + (MEMBERS - 1) * (HIDDEN + 1)


def test_a_bad_number_of_members_is_named():
    with pytest.raises(ValueError, match="`members` must be at least 1, got 0"):
        transformer(members=0)
