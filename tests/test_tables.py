"""The bench's tables of names hold all that the leaves offer."""

import inspect

import pytest
from torch import nn

import ltr_losses
import mtl_optim
from mtl2r_bench.config import MethodConfig
from mtl2r_bench.table import LOSSES, METHODS, METRICS, summary
from mtl2r_bench.training.build import build_method
from mtl2r_bench.training.learners import LEARNERS
from mtl_optim import JacobianAggregator, Weighting

# Public, but no row's factory; the reason beside it.
METHODS_LEFT_OUT = {
    "Constant": "weights that sum to 1 are a preference: ls",
    "CRMOGM": "a wrapper",
    "CrossGramianWeighting": "a kind of method",
    "EpsilonConstraint": "ec names the tasks of its bounds",
    "GramianWeighting": "a kind of method",
    "GuardRails": "guard_rails names the tasks of its floors",
    "JacobianAggregator": "a kind of method",
    "Learnable": "a protocol",
    "LearningRateAnnealing": "lr_annealing names its main task",
    "LogLosses": "a wrapper: log_mgda, log_cagrad, log_imtl",
    "LossWeighting": "a kind of method",
    "Method": "the base of all kinds",
    "RescaledWeights": "a wrapper",
    "SecondLook": "a protocol",
    "UpdateEvery": "a wrapper",
    "Weighting": "the base of two kinds",
    "Wrapper": "the base of wrappers",
}
LOSSES_LEFT_OUT: dict[str, str] = {}
METRICS_LEFT_OUT: dict[str, str] = {}


def public(module, condition):
    return {name for name in module.__all__ if condition(getattr(module, name))}


def is_method(item):
    return inspect.isclass(item) and issubclass(item, nn.Module)


def test_every_method_is_in_the_table():
    listed = {row.factory.__name__ for row in METHODS.values() if row.has_network}
    assert public(mtl_optim, is_method) - listed == set(METHODS_LEFT_OUT)


def test_every_loss_is_in_the_table():
    losses = {name for name in ltr_losses.__all__ if name.endswith("_loss")}
    assert losses - {row.function.__name__ for row in LOSSES.values()} == set(LOSSES_LEFT_OUT)


def test_every_metric_is_in_the_table():
    metrics = set(ltr_losses.metrics.__all__)
    assert metrics - {item.__name__ for item in METRICS.values()} == set(METRICS_LEFT_OUT)


@pytest.mark.parametrize("name", [name for name, row in METHODS.items() if row.has_network])
def test_every_method_can_be_built(name):
    entry = METHODS[name]
    preference = (0.5, 0.5) if entry.takes_preference else None
    options = {"bounds": {"click": 0.5}} if name == "ec" else {}
    config = MethodConfig(name=name, preference=preference, options=options)
    method = build_method(config, ("relevance", "click"))
    assert isinstance(method, Weighting | JacobianAggregator)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is_and_has_a_learner(name):
    assert METHODS[name].summary
    assert METHODS[name].learner in LEARNERS


def test_the_epsilon_constraint_knows_the_tasks_by_name():
    config = MethodConfig(name="ec", options={"main": "click", "bounds": {"relevance": 0.5}})
    method = build_method(config, ("relevance", "click"))
    assert (method.main, method.tasks) == (1, [0])
    config = MethodConfig(name="ec", options={"bounds": {"clicks": 0.5}})
    with pytest.raises(ValueError, match="unknown task 'clicks'; did you mean 'click'"):
        build_method(config, ("relevance", "click"))
    with pytest.raises(ValueError, match="method 'ec' needs the option `bounds`"):
        build_method(MethodConfig(name="ec"), ("relevance", "click"))


def test_every_loss_and_metric_says_what_it_is():
    for function in [*(row.function for row in LOSSES.values()), *METRICS.values()]:
        assert summary(function)
