"""Equal to scikit-learn's reader, row by row, to float32."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

import ltr_data
from ltr_data.datasets import synthetic

DATA = Path(__file__).parent / "../../../../shared/data"
FILES = [
    "mslr-sample/train.txt.gz",
    "mslr-sample/vali.txt.gz",
    "mq2008-fold1/train.txt.gz",
    "mq2008-fold1/vali.txt.gz",
    "mq2008-fold1/test.txt.gz",
]

pytestmark = pytest.mark.oracle


@pytest.fixture
def load_svmlight_file():
    return pytest.importorskip("sklearn.datasets").load_svmlight_file


@pytest.mark.parametrize("name", FILES)
def test_equal_to_scikit_learn(load_svmlight_file, name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs the real data file {name}, which is not part of the repository")
    features, labels, query_ids = load_svmlight_file(str(path), query_id=True)
    table = ltr_data.read_svmrank(path)
    expected = features.toarray().astype(np.float32)
    assert table.features.shape == expected.shape
    assert np.array_equal(table.features, expected)
    assert np.array_equal(table.labels, labels)
    found = np.repeat([int(q) for q in table.query_ids], table.lengths)
    assert np.array_equal(found, query_ids)


def test_sparse_file_equal_to_scikit_learn(load_svmlight_file, tmp_path):
    source = DATA / "lightgbm-lambdarank" / "rank.train.gz"
    if not source.exists():
        pytest.skip("needs lightgbm-lambdarank/rank.train.gz, which is not part of the repository")
    sizes = map(int, (source.parent / "rank.train.query").read_text().split())
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()
    groups = [query for query, size in enumerate(sizes, start=1) for _ in range(size)]
    text = "".join(
        re.sub(r"^(\S+)", rf"\1 qid:{query}", line) + "\n"
        for query, line in zip(groups, lines, strict=True)
    )
    path = tmp_path / "train.txt"
    path.write_text(text)
    table = ltr_data.read_svmrank(path)
    features, labels = load_svmlight_file(str(source))
    assert np.array_equal(table.features, features.toarray().astype(np.float32))
    assert np.array_equal(table.labels, labels)
    assert np.array_equal(np.repeat(np.arange(1, table.num_queries + 1), table.lengths), groups)


@pytest.mark.parametrize("seed", range(6))
def test_generated_files_equal_to_scikit_learn(load_svmlight_file, tmp_path, seed):
    random = np.random.default_rng(seed)
    source = synthetic.generate(20, seed=seed, num_features=40 + 30 * seed, mean_length=30)
    path = tmp_path / "train.txt"
    ltr_data.write_svmrank(path, source)
    if seed % 2:  # sparse, with comments
        lines = []
        for line in path.read_text().splitlines():
            label, query, *features = line.split()
            chosen = random.random(len(features)) < 0.4
            chosen[-1] = True
            kept = [f for f, keep in zip(features, chosen, strict=True) if keep]
            lines.append(" ".join([label, query, *kept, "# docid = 1:2\n"]))
        path.write_text("".join(lines))
    features, labels, query_ids = load_svmlight_file(str(path), query_id=True)
    table = ltr_data.read_svmrank(path)
    expected = features.toarray().astype(np.float32)
    expected = np.pad(expected, ((0, 0), (0, table.features.shape[1] - expected.shape[1])))
    assert np.array_equal(table.features, expected)
    assert np.array_equal(table.labels, labels)
    found = np.repeat([int(q) for q in table.query_ids], table.lengths)
    assert np.array_equal(found, query_ids)


@pytest.mark.parametrize("zero_based", [True, False, "auto"])
def test_what_scikit_learn_writes(load_svmlight_file, tmp_path, zero_based):
    dump = pytest.importorskip("sklearn.datasets").dump_svmlight_file
    features = np.random.default_rng(0).integers(0, 3, (30, 5)).astype(np.float64)
    queries = np.repeat(np.arange(6), 5)
    path = tmp_path / "train.txt"
    dump(features, np.ones(30), str(path), query_id=queries, zero_based=bool(zero_based))
    expected = load_svmlight_file(str(path), zero_based=zero_based)[0].toarray()
    assert np.array_equal(expected, features)
    assert np.array_equal(ltr_data.read(path, zero_based=zero_based).features, expected)
