"""`RankingLoss` holds every loss of the package."""

import copy
import inspect
import pickle

import pytest
import torch

import ltr_losses
from ltr_losses import RankingLoss
from ltr_losses.testing._problems import problem

LOSSES = [name for name in ltr_losses.__all__ if name.endswith("_loss")]
OPTIONS = {"ordinal_loss": {"thresholds": torch.tensor([-1.0, 0.0, 1.0, 2.0])}}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_a_module(name):
    loss, options = getattr(ltr_losses, name), OPTIONS.get(name, {})
    scores, labels, mask = problem()
    module = RankingLoss(loss, **options, reduction="none")
    assert isinstance(module, torch.nn.Module)
    expected = loss(scores, labels, mask=mask, weights=mask * 2.0, **options, reduction="none")
    assert expected.shape == (3, 5)
    for one in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):  # noqa: S301
        torch.testing.assert_close(
            one(scores, labels, mask=mask, weights=mask * 2.0), expected, rtol=0, atol=0
        )
    assert repr(RankingLoss(loss)) == f"RankingLoss({name})"
    if "offsets" in inspect.signature(loss).parameters:
        offsets = torch.tensor([0, *mask.sum(-1).tolist()]).cumsum(0)
        jagged = RankingLoss(loss, **options)(scores[mask], labels[:, mask], offsets=offsets)
        torch.testing.assert_close(jagged, loss(scores, labels, mask=mask, **options))


@pytest.mark.parametrize("name", LOSSES)
def test_what_differs_from_batch_to_batch_is_no_option(name):
    loss = getattr(ltr_losses, name)
    for argument in ("mask", "weights", *list(inspect.signature(loss).parameters)[:2]):
        with pytest.raises(ValueError, match=f"`options` must be one of .* got '{argument}'"):
            RankingLoss(loss, **{argument: torch.zeros(2)})
