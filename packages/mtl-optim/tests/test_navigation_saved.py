"""Saved navigations: what is written, what is read back, what is refused."""

import json
import os
import sys

import pytest
import torch
from torch import nn

from mtl_optim.pareto import Metrics, ParetoNavigator

pytest.importorskip("safetensors")


class Line(nn.Module):
    """Two parameters, one of them frozen."""

    def __init__(self, dtype=torch.float32, size=3):
        super().__init__()
        self.w = nn.Parameter(torch.full((size,), 0.2, dtype=dtype))
        self.b = nn.Parameter(torch.zeros(1, dtype=dtype), requires_grad=False)


CORNERS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.3]])


def losses(model, data):
    return ((model.w + model.b - CORNERS) ** 2).sum(dim=1) + 0.1 + data


def measure(model, _):
    return model.w[:1]


METRICS = Metrics(measure, ["first"])


@pytest.fixture
def walked(tmp_path):
    nav = ParetoNavigator(Line(), losses, 0.0, METRICS, tasks=["a", "b"])
    nav.start()
    nav.step(nav.preview(improve="a", give_up={"b": 0.1}))
    nav.branch("more a")
    nav.step(nav.preview(change={"a": -0.05}))
    nav.goto("more a")
    nav.save(tmp_path / "walk")
    return nav, tmp_path / "walk"


def load(path, **changes):
    arguments = {"model": Line(), "losses": losses, "data": 0.0, "metrics": METRICS} | changes
    return ParetoNavigator.load(path, **arguments)


def test_a_navigation_is_reopened_to_the_bit_and_goes_on(walked):
    nav, path = walked
    other = load(path)
    assert other.point.name == "more a"
    assert other.tasks == ("a", "b")
    for mine, theirs in zip(nav.points, other.points, strict=True):
        assert mine.as_dict() == theirs.as_dict()
        for name, tensor in nav.parameters(mine).items():
            assert torch.equal(tensor, other.parameters(theirs)[name])
    assert torch.equal(nav.model.w, other.model.w)
    wish = {"improve": "b", "give_up": {"a": 0.02}}
    one, two = nav.step(nav.preview(**wish)), other.step(other.preview(**wish))
    torch.testing.assert_close(one.losses, two.losses)
    assert two.id == 3
    assert two.parent == 1
    other.undo()
    assert torch.equal(other.model.w, nav.parameters(1)["w"])


def test_the_manifest_is_a_full_record(walked):
    _, path = walked
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["format"] == "mtl-optim-navigation"
    point = manifest["points"][1]
    assert point["parent"] == 0
    assert point["wish"]["improve"] == "a"
    for key in ("alpha", "predicted", "realised", "predicted_metrics", "realised_metrics"):
        assert len(point[key]) in (1, 2)
    assert point["cost"]["products"] > 0
    assert len(point["sha256"]) == 64


def test_saving_again_writes_what_is_new_and_drops_what_is_gone(walked, tmp_path):
    nav, path = walked
    files = {f.name: f.stat().st_mtime_ns for f in path.iterdir()}
    nav.step(nav.preview(change={"b": -0.02}))
    nav.save(path)
    again = {f.name: f.stat().st_mtime_ns for f in path.iterdir()}
    new = again.keys() - files.keys()
    assert len(new) == 1
    kept = [name for name in files if name.endswith("safetensors")]
    assert all(again[name] == files[name] for name in kept)
    nav.start()
    nav.save(path)
    assert len(list(path.iterdir())) == 2
    assert len(load(path).points) == 1


def test_a_kill_while_saving_leaves_the_older_state(walked, monkeypatch):
    nav, path = walked
    nav.step(nav.preview(change={"b": -0.02}))
    real = os.fsync
    calls = []

    def dies(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:  # the manifest comes after the new point
            raise OSError("disk full")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(OSError, match="disk full"):
        nav.save(path)
    monkeypatch.undo()
    assert len(load(path).points) == 3
    assert not [f for f in path.iterdir() if f.name.startswith(".")]


def test_damaged_folders_are_refused(walked, tmp_path):
    _, path = walked
    file = next(path.glob("*.safetensors"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"safetensors: damaged, its SHA-256 is"):
        load(path)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="safetensors: missing"):
        load(path)
    with pytest.raises(FileNotFoundError, match=r"found no manifest\.json"):
        load(tmp_path / "nothing")
    manifest = path / "manifest.json"
    whole = json.loads(manifest.read_text())
    for change, message in (
        ({"format": "other"}, "expected the format 'mtl-optim-navigation', found 'other'"),
        ({"format_version": 99}, "expected format_version 1, found 99"),
        ({"points": [{}]}, "incomplete or damaged"),
        ({"points": [], "current": 0}, "incomplete or damaged"),
        ({"points": [whole["points"][0] | {"file": "../x", "sha256": ""}]}, "missing"),
    ):
        manifest.write_text(json.dumps(whole | change))
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            load(path)
    manifest.write_text("{")
    with pytest.raises(ValueError, match="damaged, not JSON"):
        load(path)
    manifest.write_text("[]")
    with pytest.raises(ValueError, match="found 'list'"):
        load(path)


def test_foreign_models_tasks_and_data_are_refused_and_leave_the_model(walked):
    _, path = walked
    for changes, message in (
        ({"model": Line(size=4)}, r"another model: w is \(3,\), expected \(4,\)"),
        ({"model": Line(torch.float64)}, "w is torch.float32, expected torch.float64"),
        ({"model": nn.Linear(1, 1)}, "weight is missing; bias is missing; w is not expected"),
        ({"tasks": ["a", "c"]}, r"tasks \['a', 'b'\], expected \['a', 'c'\]"),
        ({"metrics": None}, r"metrics \['first'\], expected \[\]"),
        ({"data": 1.0}, "the losses at point 1 differ"),
    ):
        model = changes.get("model", Line())
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match=message):
            load(path, **(changes | {"model": model}))
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_only_navigations_are_overwritten(walked, tmp_path):
    nav, _ = walked
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="holds something other than a navigation"):
        nav.save(tmp_path / "mine")
    with pytest.raises(ValueError, match="expected a folder, found a file"):
        nav.save(tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
    other = Line()
    with torch.no_grad():
        other.w += 0.05
    another = ParetoNavigator(other, losses, 0.0, METRICS, tasks=["a", "b"])
    another.start()
    with pytest.raises(ValueError, match="holds another navigation"):
        another.save(tmp_path / "walk")
    assert len(load(tmp_path / "walk").points) == 3


def test_the_extra_is_named_where_it_is_missing(walked, monkeypatch):
    nav, path = walked
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ImportError, match=r"pip install mtl-optim\[navigate\]"):
        nav.save(path)
    with pytest.raises(ImportError, match=r"pip install mtl-optim\[navigate\]"):
        load(path)
