"""The house: what each package may need, and what the README promises."""

import re
import tomllib

import pytest

from mtl_optim.catalogue import catalogue

ALLOWED = {
    "ltr-data": {"filelock", "numpy", "pyarrow", "torch"},  # torch itself needs filelock
    "ltr-losses": {"numpy", "scipy", "torch"},
    "mtl-optim": {"numpy", "scipy", "torch"},
}
PACKAGES = [*ALLOWED, "mtl2r-models", "mtl2r-bench"]


def name_of(requirement):
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0]


def project(root, package):
    return tomllib.loads((root / "packages" / package / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("package", ALLOWED)
def test_leaves_stay_light(root, package):
    assert {name_of(r) for r in project(root, package)["dependencies"]} <= ALLOWED[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_dependency_has_a_bound(root, package):
    for requirement in project(root, package)["dependencies"]:
        assert ">=" in requirement, requirement


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_what_a_package_needs(root, package):
    folder = root / "packages" / package
    module = folder / "src" / package.replace("-", "_")
    for path in (folder / "README.md", folder / "CHANGELOG.md", folder / "LICENSE"):
        assert path.is_file()
    assert (module / "py.typed").is_file()
    version = re.search(r'"(.+)"', (module / "__about__.py").read_text().split("=")[1])[1]
    assert f"## {version}" in (folder / "CHANGELOG.md").read_text()


def test_every_direct_dependency_is_pinned_for_tests(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line) for line in lines if not line.startswith("#")}
    for package in PACKAGES:
        described = project(root, package)
        extras = described.get("optional-dependencies", {}).values()
        for requirement in [*described["dependencies"], *(r for extra in extras for r in extra)]:
            name = name_of(requirement)
            assert name in pinned or name in PACKAGES, requirement


def test_the_readme_shows_the_two_commands_first(root):
    commands = re.findall(r"^(?:python|hatch|pip|git) .+$", (root / "README.md").read_text(), re.M)
    assert commands[:2] == [
        "python -m pip install hatch && hatch run demo",
        "python -m pip install hatch && hatch run test",
    ]


def test_the_catalogue_of_methods_is_up_to_date(root):
    """Written by `python -m mtl_optim.catalogue > docs/methods.md`."""
    assert (root / "docs" / "methods.md").read_text().strip() == catalogue().strip()


def test_ci_runs_the_readmes_test_command(root):
    script = (root / ".ci" / "run").read_text()
    assert "python -m pip install" in script
    assert "hatch run test" in script
