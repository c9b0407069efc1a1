"""A hook of MkDocs: pages of the site that are files of the repository.

`<!-- file: packages/ltr-data/README.md -->` in a page stands for that file. Its links are written
for a reader of the repository; those to what is on the site are turned into links within it, and
of others the text is left.
"""

import os
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent

_FILE = re.compile(r"^<!-- file: (\S+) -->$", re.MULTILINE)
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"^# ", re.MULTILINE)
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the files that it names."""
    return _FILE.sub(lambda found: _included(Path(found[1])), markdown)


def _included(path: Path) -> str:
    """A file of the repository as part of a page: one title, and links within the site."""
    blocks = _CODE.split((ROOT / path).read_text("utf-8"))
    pages, prose = _pages(), range(0, len(blocks), 2)
    several = sum(len(_TITLE.findall(blocks[place])) for place in prose) > 1
    for place in prose:
        text = _LINK.sub(lambda link: _link(link, path.parent, pages), blocks[place])
        if several:  # one level down, all but the first
            text = _HEADING.sub(r"#\1", text)
            text = text.removeprefix("#") if place == 0 else text
        blocks[place] = text
    return "".join(blocks)


def _pages() -> dict[str, str]:
    """The page of the site for each file of the repository that has one."""
    pages = {}
    for page in sorted(DOCS.rglob("*")):
        on_site = page.relative_to(DOCS).as_posix()
        pages[f"docs/{on_site}"] = on_site
        if page.suffix == ".md":
            for file in _FILE.findall(page.read_text("utf-8")):
                pages[file] = on_site
    return pages


def _link(link: re.Match[str], folder: Path, pages: dict[str, str]) -> str:
    image, text, target, anchor = link.groups(default="")
    page = pages.get(Path(os.path.normpath(folder / target)).as_posix())
    return text if page is None else f"{image}[{text}]({page}{anchor})"
