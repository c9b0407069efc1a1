"""The documentation's links lead somewhere, for readers of the site and of the repository."""

import doctest
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
REPOSITORY = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("packages/*/README.md")]


def load(name):
    """Import a module of the folder of the documentation."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def hook():
    return load("site_hooks").on_page_markdown


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


def run_page(name, folder):
    """Run the examples of a page; what they write goes to the folder."""
    outcome = doctest.testfile(
        str(DOCS / name),
        False,
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
        encoding="utf-8",
        extraglobs={"folder": str(folder), "picture": str(folder / "picture.png")},
    )
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize(
    "name", ["choosing-a-ranker.md", "coming-from-ltr.md", "labels.md", "recipes-mtl-optim.md"]
)
def test_examples_of_the_site(name, tmp_path):
    run_page(name, tmp_path)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # their own
def test_examples_with_frameworks(tmp_path):
    for library in ("lightning", "accelerate", "transformers", "peft"):
        pytest.importorskip(library)
    run_page("recipes-frameworks.md", tmp_path)


PROGRAMS = re.findall(
    r"^```python\n(import torch\n.*?)^```$",
    (DOCS / "recipes-mtl-optim.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("program", PROGRAMS, ids=["averaged", "in-shards"])
def test_programs_of_two_processes(program, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(program)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    found = subprocess.run(
        [sys.executable, *launch, str(script)], capture_output=True, text=True, timeout=240
    )
    assert found.returncode == 0, found.stderr


def test_what_works_with_what(tmp_path):
    # In a process of its own: what other tests did to the compiler would be seen.
    page = tmp_path / "page.md"
    subprocess.run([sys.executable, str(DOCS / "works_with.py"), str(page)], check=True)
    found = page.read_text("utf-8")
    assert "| wrong" not in found
    written = (DOCS / "works-with.md").read_text("utf-8")
    assert found == written, "stale: `hatch run lists` writes it anew"


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
