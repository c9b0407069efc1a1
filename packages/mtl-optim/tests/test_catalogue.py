"""The catalogue names every method, and the plots draw what the steps hold."""

import re
from pathlib import Path

import pytest
import torch

import mtl_optim
from mtl_optim import MGDA, LinearScalarization, Step, backward
from mtl_optim.catalogue import catalogue, entry, methods
from mtl_optim.plotting import plot_conflicts, plot_weights


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.__name__)
def test_every_method_says_what_it_needs_gives_and_comes_from(method):
    page = entry(method)
    assert page.count("* Needs: ") == page.count("* Cost: ") == 1
    assert "* Weights: " in page or "* Direction: " in page
    if method is not mtl_optim.RescaledWeights:
        assert "* References: " in page


def test_the_catalogue_is_complete():
    page = catalogue()
    assert len(methods()) >= 35
    for name in ("EPO", "FAMO", "GradDrop", "LogLosses", "UPGrad"):
        assert f"\n## {name}\n" in page
    assert "the losses after the step" in entry(mtl_optim.FAMO)
    assert "an optimizer for its parameters" in entry(mtl_optim.UncertaintyWeighting)
    assert "a preference" in entry(mtl_optim.EPO)


def test_the_catalogue_writes_constructors_as_they_are_called():
    for name, call in (
        ("Sum", "Sum()"),
        ("GeometricLossStrategy", "GeometricLossStrategy()"),
        ("CAGrad", "CAGrad(c=0.5, *, rescale=None)"),
        ("EpsilonConstraint", "EpsilonConstraint(*, main=0, bounds, mu=0.1, "),
    ):
        assert f"\n`{call}" in entry(getattr(mtl_optim, name))


def test_the_catalogue_begins_with_an_overview_that_links_to_each_method():
    overview = catalogue().split("\n## ")[0]
    for method in methods():
        name = method.__name__
        assert f"\n| [{name}](#{name.lower()}) | " in overview


def test_the_readme_leads_to_the_catalogue_and_names_what_there_is():
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert "docs/methods.md" in text
    table = text.partition("| looks at |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)[(`]", table)
    assert len(named) > 10
    assert set(named) <= {method.__name__ for method in methods()} | {"features"}


def steps():
    x = torch.ones(3, requires_grad=True)
    A = torch.tensor([[1.0, 0.0, 1.0], [-1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    return [backward(A @ x, MGDA(), shared=[x]) for _ in range(4)]


def test_plots():
    pytest.importorskip("matplotlib")
    ax = plot_weights(steps(), ["click", "sale", "return"])
    assert [line.get_label() for line in ax.lines] == ["click", "sale", "return"]
    assert plot_weights(steps(), ax=ax) is ax
    ax = plot_conflicts(steps())
    assert len(ax.lines) == 3 + 1
    assert ax.lines[0].get_ydata()[0] == pytest.approx(-0.5)


def test_plots_refuse_what_holds_nothing():
    with pytest.raises(ValueError, match=r"`steps`"):
        plot_weights([Step(torch.ones(2), None, None)])
    x = torch.ones(2, requires_grad=True)
    step = backward(x * 2, LinearScalarization([0.5, 0.5]))
    with pytest.raises(ValueError, match=r"`steps`"):
        plot_conflicts([step])
    with pytest.raises(ValueError, match=r"`names`"):
        plot_weights([step], ["one"])
