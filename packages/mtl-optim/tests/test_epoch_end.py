"""A training loop finds every method that must know where an epoch ends, wherever it stands."""

import pytest
import torch

from mtl_optim import (
    CRMOGM,
    FAMO,
    MGDA,
    DynamicWeightAverage,
    EpochEnd,
    LogLosses,
    LossWeighting,
    Mean,
    RescaledWeights,
    SecondLook,
    UpdateEvery,
)
from mtl_optim.catalogue import entry


def end_epoch(method):
    ended = [part for part in method.modules() if isinstance(part, EpochEnd)]
    for part in ended:
        part.end_epoch()
    return ended


class Annealed(LossWeighting):
    """A method of a user's own, which knows nothing of the protocol."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def forward(self, losses):
        return torch.full_like(losses, 0.5**self.epochs)

    def end_epoch(self):
        self.epochs += 1


def test_dynamic_weight_average_is_told():
    method, losses = DynamicWeightAverage(), torch.tensor([1.0, 2.0])
    for factor in (1.0, 0.5):
        method.weights(losses=losses * torch.tensor([factor, 1.0]))
        assert end_epoch(method) == [method]
    weights = method.weights(losses=losses)
    assert weights[0] < 1 < weights[1]


@pytest.mark.parametrize(
    "wrap",
    [CRMOGM, RescaledWeights, LogLosses, lambda inner: CRMOGM(RescaledWeights(inner))],
    ids=["CRMOGM", "RescaledWeights", "LogLosses", "two wrappers"],
)
def test_a_method_inside_wrappers_is_told(wrap):
    inner = Annealed()
    method = wrap(inner)
    assert not isinstance(method, EpochEnd)  # as with SecondLook, the inner method is the one
    method.weights(losses=torch.tensor([2.0, 3.0]))
    assert end_epoch(method) == [inner]
    assert inner.epochs == 1


def test_a_method_of_a_users_own_needs_no_base_class():
    method = Annealed()
    assert isinstance(method, EpochEnd)
    end_epoch(method)
    assert method.weights(losses=torch.ones(2)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("method", [Mean(), MGDA(), FAMO(2), UpdateEvery(MGDA(), steps=2)])
def test_other_methods_are_not_told(method):
    assert end_epoch(method) == []
    assert isinstance(method, SecondLook) == isinstance(method, FAMO)


def test_the_catalogue_says_which_methods_are_told():
    assert "a call at the end of each epoch" in entry(DynamicWeightAverage)
    assert "a call at the end of each epoch" not in entry(Mean)
