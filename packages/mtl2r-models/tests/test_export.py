"""Exported rankers give the ranker's scores, on any number of lists of any length."""

import errno
import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr_data import ClipOutliers, LogStandardize, QuantileTransform
from mtl2r_models import (
    ARCHITECTURES,
    MLPScorer,
    PreferenceConditioned,
    Ranker,
    export_onnx,
    export_program,
)
from mtl2r_models.ranker._export import _searchsorted
from mtl2r_models.testing import SMALL

IDS = (1, 2, 3, 7)
FEATURE_LAYERS = [
    {"kind": "noise"},
    {"kind": "log_scale"},
    {"kind": "cross"},
    {"kind": "periodic", "embedding": 2},
    {"kind": "piecewise_linear", "bins": 3, "embedding": 2},
]


def network(architecture, **options):
    return lambda: ARCHITECTURES[architecture](4, **SMALL[architecture], **options)


def conditioned(architecture):
    """At a preference that counts."""

    def build():
        trunk = {"architecture": ARCHITECTURES[architecture].__name__, **SMALL[architecture]}
        model = PreferenceConditioned(4, trunk=trunk, preferences=2)
        with torch.no_grad():
            for parameter in model.modulations.parameters():
                parameter.normal_(std=0.3)
        model.prefer((0.2, 0.8))
        return model

    return build


QUICK = {
    "learned": (network("transformer", positions="learned", num_tasks=2), LogStandardize),
    "sinusoidal": (network("transformer", norm="post", positions="sinusoidal"), ClipOutliers),
    "mlp": (network("mlp", num_tasks=2), QuantileTransform),
    "plain": (lambda: MLPScorer(4, hidden=(8,)), None),
    "features-members": (
        network("mlp", feature_layers=FEATURE_LAYERS, members=2, num_tasks=2),
        LogStandardize,
    ),
    "mmoe": (network("mlp", experts={"shared": 2}, num_tasks=2), LogStandardize),
    "ple": (network("mlp", experts={"shared": 2, "own": 1}, num_tasks=2), LogStandardize),
    "conditioned": (conditioned("mlp"), LogStandardize),
    "conditioned-at": (lambda: conditioned("mlp")().at((0.9, 0.1)), LogStandardize),
    **{name: (network(name), LogStandardize) for name in ARCHITECTURES},
    **{f"{name}-members": (network(name, members=2), LogStandardize) for name in ARCHITECTURES},
}
SLOW = {
    **{f"{name}-conditioned": (conditioned(name), None) for name in ARCHITECTURES},
    **{
        f"{name}-all": (
            network(
                name, feature_layers=FEATURE_LAYERS, members=2, experts={"own": 1}, num_tasks=2
            ),
            None,
        )
        for name in ARCHITECTURES
    },
    **{
        layer["kind"]: (network("mlp", feature_layers=[layer]), LogStandardize)
        for layer in FEATURE_LAYERS
    },
}
CASES = QUICK | SLOW
every_case = pytest.mark.parametrize(
    "case", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
SHAPES = [(1, 1), (2, 3), (5, 17), (3, 240)]


def make(case):
    architecture, kind = CASES[case]
    values = np.random.default_rng(0).exponential(size=(50, 4)).astype(np.float32)
    torch.manual_seed(0)
    model = architecture()
    transform = None if kind is None else kind.fit(values, IDS)
    documents = torch.from_numpy(values)
    model.fit_features(documents if transform is None else transform(documents))
    return Ranker(model, transform=transform, feature_ids=IDS, tasks=("relevance", "click")).train()


def lists(batch, length):
    """Lists with documents at any places of their rows, one of them without any; NaN is padding."""
    generator = torch.Generator().manual_seed(length)
    features = torch.rand(batch, length, 4, generator=generator) * 3
    mask = torch.rand(batch, length, generator=generator) < 0.6
    mask[0] = True
    mask[1:2] = False
    return features.masked_fill(~mask[..., None], float("nan")), mask


def expected_scores(ranker, features, mask):
    ranker.eval()
    with torch.no_grad():
        return ranker(features, mask)[..., mask]


def test_every_architecture_is_exported():
    exported = {type(make(case).model) for case in QUICK}
    assert exported == {*ARCHITECTURES.values(), PreferenceConditioned}


@every_case
def test_the_program_gives_the_rankers_scores(case, tmp_path):
    ranker = make(case)
    export_program(ranker, tmp_path / "ranker.pt2")
    assert ranker.training
    files = {"columns.json": ""}
    program = torch.export.load(tmp_path / "ranker.pt2", extra_files=files).module()
    for shape in SHAPES:
        features, mask = lists(*shape)
        expected = expected_scores(ranker, features, mask)
        torch.testing.assert_close(program(features, mask)[..., mask], expected)
    assert json.loads(files["columns.json"])["feature_ids"] == list(IDS)


FOREIGN = """
import sys, torch
for case in sys.argv[1:]:
    program = torch.export.load(f"{case}.pt2").module()
    batches = torch.load(f"{case}.pt")
    torch.save([program(features, mask)[..., mask] for features, mask in batches], f"{case}.pt")
assert not [name for name in sys.modules if name.startswith(("mtl2r", "ltr_data"))]
"""


SOME = ["features-members", "conditioned"]


@pytest.mark.parametrize("cases", [SOME, pytest.param([*CASES], marks=pytest.mark.slow)])
def test_a_process_without_this_package_gives_the_rankers_scores(cases, tmp_path):
    batches = [lists(*shape) for shape in SHAPES]
    for case in cases:
        export_program(make(case), tmp_path / f"{case}.pt2")
        torch.save(batches, tmp_path / f"{case}.pt")
    command = [sys.executable, "-W", "error", "-c", FOREIGN, *cases]
    subprocess.run(command, check=True, cwd=tmp_path)
    for case in cases:
        for found, batch in zip(torch.load(tmp_path / f"{case}.pt"), batches, strict=True):
            torch.testing.assert_close(found, expected_scores(make(case), *batch))


def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")  # none on Windows
    path, limits = tmp_path / "ranker.pt2", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, limits[1]))
    try:
        with pytest.raises(OSError, match=r"ranker\.pt2") as error:
            export_program(make("plain"), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


@pytest.mark.oracle
@every_case
def test_onnxruntime_gives_the_rankers_scores(case, tmp_path, caplog):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    ranker = make(case)
    export_onnx(ranker, tmp_path / "ranker.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "ranker.onnx")
    inputs = {i.name: i.shape for i in session.get_inputs()}
    assert inputs == {"features": ["batch", "list", 4], "mask": ["batch", "list"]}
    for shape in SHAPES:
        features, mask = lists(*shape)
        found = session.run(["scores"], {"features": features.numpy(), "mask": mask.numpy()})[0]
        expected = expected_scores(ranker, features, mask)
        found = torch.from_numpy(found)[..., mask]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    assert columns["tasks"] == ["relevance", "click"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.oracle
def test_half_precision_is_exported_as_float32(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    ranker = make("plain").to(torch.bfloat16)
    export_onnx(ranker, tmp_path / "ranker.onnx")
    assert {p.dtype for p in ranker.parameters()} == {torch.bfloat16}
    session = onnxruntime.InferenceSession(tmp_path / "ranker.onnx")
    features, mask = lists(2, 5)
    found = session.run(["scores"], {"features": features.numpy(), "mask": mask.numpy()})[0]
    expected = expected_scores(ranker.to(torch.float32), features, mask)
    torch.testing.assert_close(torch.from_numpy(found)[..., mask], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
def test_other_scores_are_found_and_nothing_is_written(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    class Wrong(onnxruntime.InferenceSession):
        def run(self, *arguments):
            return [scores + 1 for scores in super().run(*arguments)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(RuntimeError, match=r"other scores on 1 lists of 1 documents: .* up to 1"):
        export_onnx(make("plain"), tmp_path / "ranker.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", [export_program, export_onnx])
def test_models_without_their_columns_are_refused(export, tmp_path):
    for name in ("onnxruntime", "onnx", "onnxscript") if export is export_onnx else ():
        pytest.importorskip(name)
    with pytest.raises(TypeError, match="`ranker` must be a Ranker, got MLPScorer"):
        export(MLPScorer(4), tmp_path / "ranker")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["onnxruntime", "onnx", "onnxscript"])
def test_what_is_missing_is_named_with_how_to_install_it(name, tmp_path, monkeypatch):
    for other in ("onnxruntime", "onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, other, None if other == name else sys)
    with pytest.raises(ImportError, match=rf'needs {name}: pip install "mtl2r-models\[onnx\]"'):
        export_onnx(make("plain"), tmp_path / "ranker.onnx")


@given(
    points=st.lists(st.integers(-3, 3), min_size=1, max_size=9),
    values=st.lists(st.integers(-4, 4), min_size=1, max_size=9),
    right=st.booleans(),
)
def test_the_bisection_is_searchsorted(points, values, right):
    points = torch.tensor(sorted(points)).expand(2, -1).contiguous()
    values = torch.tensor(values).expand(2, -1).contiguous()
    expected = torch.searchsorted(points, values, right=right)
    assert torch.equal(_searchsorted(points, values, right=right), expected)
