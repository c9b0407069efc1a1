"""Exported rankers give the ranker's scores, on any number of lists of any length."""

import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr_data import ClipOutliers, LogStandardize, QuantileTransform
from mtl2r_models import MLPScorer, PreferenceConditioned, Ranker
from mtl2r_models.checkpoint import ARCHITECTURES
from mtl2r_models.conditioned import TRUNKS
from mtl2r_models.export import _searchsorted, export_onnx, export_program
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
    return lambda: TRUNKS[architecture](4, **SMALL[architecture], **options)


def conditioned(architecture):
    trunk = {"architecture": architecture, **SMALL[architecture]}
    return lambda: PreferenceConditioned(4, trunk=trunk, preferences=2)


QUICK = {
    "learned": (network("ListTransformer", positions="learned", num_tasks=2), LogStandardize),
    "sinusoidal": (network("ListTransformer", norm="post", positions="sinusoidal"), ClipOutliers),
    "mlp": (network("MLPScorer", num_tasks=2), QuantileTransform),
    "plain": (lambda: MLPScorer(4, hidden=(8,)), None),
    "features-members": (
        network("MLPScorer", feature_layers=FEATURE_LAYERS, members=2, num_tasks=2),
        LogStandardize,
    ),
    "experts": (network("MLPScorer", experts={"shared": 2, "own": 1}, num_tasks=2), LogStandardize),
    "conditioned": (conditioned("MLPScorer"), LogStandardize),
    "latent-cross": (network("LatentCross"), LogStandardize),
    "set-transformer": (network("SetTransformer", members=2), LogStandardize),
}
SLOW = {f"{name}-conditioned": (conditioned(name), None) for name in TRUNKS} | {
    f"{name}-all": (
        network(name, feature_layers=FEATURE_LAYERS, members=2, experts={"own": 1}, num_tasks=2),
        None,
    )
    for name in TRUNKS
}
CASES = QUICK | SLOW
every_case = pytest.mark.parametrize(
    "case", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
SHAPES = [(1, 1), (2, 3), (5, 17), (3, 240)]


def make(case):
    architecture, transform = CASES[case]
    values = np.random.default_rng(0).exponential(size=(50, 4)).astype(np.float32)
    torch.manual_seed(0)
    return Ranker(
        architecture(),
        transform=None if transform is None else transform.fit(values, IDS),
        feature_ids=IDS,
        tasks=("relevance", "click"),
    ).train()


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
    assert exported == set(ARCHITECTURES.values())


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


# torch's exporter, of whatever version, uses names that its own tree module has deprecated.
@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@every_case
def test_onnxruntime_gives_the_rankers_scores(case, tmp_path):
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


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
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
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
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
