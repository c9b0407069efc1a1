"""The house keeps its own rules: what CONTRIBUTING promises of the code, asked of every file."""

import ast
import re
from pathlib import Path

import pytest

from mtl2r_bench.table import METHODS

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
BENCH = ROOT / "packages/mtl2r-bench/src/mtl2r_bench"

LINES = 60
"""Of a function, its docstring left out."""

PARAMETERS = 8
FUNCTIONS_OF_MANY = 12
"""So many functions may have so many parameters; public losses and commands are not counted."""

WRITERS = {
    "ltr_data/files/_atomic.py": "the one home for writing files",
    "ltr_data/mapped/_cache_file.py": "goes back in the temporary file of `atomic_write`",
    "ltr_losses/catalogue.py": "writes the generated lists of a checkout's documentation",
    "mtl2r_models/catalogue.py": "the same",
    "ltr_data/datasets/_download.py": "appends to a download that resumes",
    "mtl_optim/pareto/navigation/storage.py": "a leaf that shares no code: its own atomic write",
    "mtl2r_bench/runs/run_folder.py": "appends a line to a run's log",
    "mtl2r_bench/runs/disk.py": "asks whether a place can be written",
}


def name_of(path):
    return path.relative_to(path.parents[[p.name for p in path.parents].index("src")]).as_posix()


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function):
    first = function.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    doc = first.end_lineno - first.lineno + 1 if is_doc else 0
    return function.end_lineno - function.lineno + 1 - doc


def parameters(function):
    args = function.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_no_function_is_long():
    long = {
        f"{name_of(path)}:{function.name}": length(function)
        for path, tree in TREES.items()
        for function in functions(tree)
        if length(function) > LINES
    }
    assert long == {}


def test_few_functions_take_many_parameters():
    many = [
        f"{name_of(path)}:{function.name}"
        for path, tree in TREES.items()
        for function in functions(tree)
        if parameters(function) >= PARAMETERS
        and "cli" not in path.parts
        and not function.name.endswith("_loss")
    ]
    assert len(many) <= FUNCTIONS_OF_MANY, many


def test_code_asks_a_methods_row_and_never_its_name():
    """A comparison with a method's code name, outside the table."""
    # Words that other things are called as well.
    common = {"mean", "sum", "config"}
    found = []
    for path, tree in TREES.items():
        if BENCH not in path.parents or path.name == "table.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                strings = {
                    part.value
                    for side in sides
                    for part in ast.walk(side)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
                found += [f"{name_of(path)}:{node.lineno}" for s in strings & set(METHODS) - common]
    assert found == []


def test_private_names_of_torch_stand_in_one_file():
    private = re.compile(r"torch\._[A-Za-z]|torch\.ops\.\w+\._|from torch\._")
    files = [name_of(path) for path in SOURCES if private.search(path.read_text("utf-8"))]
    assert files == ["mtl2r_models/torch_internals.py"]


def test_files_are_written_in_one_way():
    """Beside their place and renamed, by `ltr_data.files`."""
    found = set()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = [*node.args, *(k.value for k in node.keywords)]
            modes = [a.value for a in given if isinstance(a, ast.Constant)]
            writes = called == "open" and any(
                isinstance(mode, str) and re.fullmatch(r"[rwxab+]*[wxa+][rwxab+]*", mode)
                for mode in modes
            )
            if writes or called in ("write_text", "write_bytes", "TemporaryFile"):
                found.add(name_of(path))
    assert found - set(WRITERS) == set()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_one_style(path):
    tree = TREES[path]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in {node.module for node in imports}
    package = name_of(path).partition("/")[0]
    absolute = [n.module for n in imports if n.level == 0 and n.module]
    assert [module for module in absolute if module.partition(".")[0] == package] == []
    # The index of a package stands in its `__init__`; one public module re-exports, too.
    if path.name not in ("__init__.py", "synthetic.py"):
        names = {
            getattr(target, "id", "")
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        assert "__all__" not in names
    assert not re.search(r"^ *(Source|Sources|Reference):$", path.read_text("utf-8"), re.MULTILINE)
