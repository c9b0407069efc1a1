"""Where the real data are, on a developer's machine."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def real_data():
    """The folder of small real data sets, which are not part of the project."""

    def folder(name):
        path = REAL / name
        if not path.is_dir():
            pytest.skip(f"needs {name}, which is not part of the project: {path} is missing")
        return path

    return folder
