"""The examples of the documentation's pages."""

import doctest
from pathlib import Path

import pytest

PAGES = [Path(__file__).parents[1] / "docs" / "choosing-a-ranker.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert found.attempted > 0
    assert found.failed == 0
