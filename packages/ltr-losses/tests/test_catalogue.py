"""The tables of the README are those of the docstrings."""

import inspect
from pathlib import Path

import pytest

import ltr_losses
from ltr_losses.catalogue import losses, metrics, written

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_readme_is_what_the_docstrings_say():
    # Stale? `python -m ltr_losses.catalogue packages/ltr-losses/README.md`
    assert written(README) == README
    assert losses() in README
    assert metrics() in README


@pytest.mark.parametrize("name", [n for n in ltr_losses.__all__ if n.endswith("_loss")])
def test_every_loss_has_a_complete_docstring(name):
    doc = inspect.getdoc(getattr(ltr_losses, name))
    for section in ("Args:", "Returns:", "Raises:", "Examples:", "References:"):
        assert f"\n{section}\n" in doc
    assert "differentiated twice" in " ".join(doc.split()) or "second derivative" in doc
