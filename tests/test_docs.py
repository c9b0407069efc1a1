"""The documentation's links lead somewhere, for readers of the site and of the repository."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
REPOSITORY = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("packages/*/README.md")]


def hook():
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.on_page_markdown


def links(text):
    return [link.partition("#")[::2] for link in LINK.findall(CODE.sub("", text))]


def anchors(text):
    """What Python-Markdown makes of the headings."""
    titles = re.findall(r"^#+ (.*)$", CODE.sub(lambda code: code[0].strip("`"), text), re.MULTILINE)
    slugs = [re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles]
    return {re.sub(r"[-\s]+", "-", slug) for slug in slugs}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_site(page):
    pages = {p.name: hook()(p.read_text("utf-8")) for p in DOCS.glob("*.md")}
    for target, anchor in links(pages[page.name]):
        assert not target or (DOCS / target).is_file(), target
        if anchor:
            assert anchor in anchors(pages[target or page.name]), f"{target}#{anchor}"


@pytest.mark.parametrize("name", ["choosing-a-ranker.md", "coming-from-ltr.md"])
def test_examples_of_the_site(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.testfile(str(DOCS / name), False, optionflags=flags, encoding="utf-8")
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("file", REPOSITORY, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_of_the_repository(file):
    for target, _ in links(file.read_text("utf-8")):
        assert (file.parent / target).exists(), target


def test_the_site_shows_every_page():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [p.name for p in DOCS.glob("*.md") if f": {p.name}\n" not in navigation] == []


def test_files_of_the_repository_become_pages():
    page = hook()("<!-- file: packages/mtl-optim/README.md -->\n")
    assert page.startswith("# mtl-optim\n")
    assert "[docs/migration.md](migration.md)" in page
    assert "](../" not in page  # benchmarks/results is not on the site: the text is left
    gathered = hook()("<!-- file: benchmarks/RESULTS.md -->\n")
    assert len(re.findall(r"^# ", CODE.sub("", gathered), re.MULTILINE)) == 1


def test_the_reference_names_what_there_is():
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            parts = name.split(".")
            found = next(
                importlib.import_module(".".join(parts[:k]))
                for k in range(len(parts), 0, -1)
                if importlib.util.find_spec(".".join(parts[:k]))
            )
            for part in parts[len(found.__name__.split(".")) :]:
                found = getattr(found, part)
