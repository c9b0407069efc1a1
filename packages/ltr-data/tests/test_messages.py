"""What a user does wrong is answered with what to do."""

import gzip
import re

import pytest

import ltr_data
from ltr_data import LabelSpec


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("2 qid:1 1:0.5 2:1\n0 qid:1 1:0 2:1\n")
    return path


def test_a_wrong_path(source, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no .*trian.txt, did you mean 'train.txt'"
    ):
        ltr_data.open(tmp_path / "trian.txt")
    with pytest.raises(FileNotFoundError, match=r"there is no .*x.txt, and no folder"):
        ltr_data.open(tmp_path / "nowhere" / "x.txt")
    with pytest.raises(IsADirectoryError, match=r"is a folder; give .*find_splits"):
        ltr_data.open(tmp_path)


@pytest.mark.parametrize("labels", ["relevance", ["relevance"], LabelSpec("relevance")])
def test_labels_that_are_no_specifications(source, labels):
    with pytest.raises(TypeError, match=r"`labels` must be a list of LabelSpec, .*resolve_tasks"):
        ltr_data.open(source, labels)


def test_labels_and_inputs(source):
    with pytest.raises(ValueError, match="`labels` must name different tasks, got 'a' twice"):
        ltr_data.open(source, [LabelSpec("a", source=1), LabelSpec("a", source=2)])
    with pytest.raises(ValueError, match="the labels take all columns"):
        ltr_data.open(source, [LabelSpec("a", source=1), LabelSpec("b", source=2)])
    one = ltr_data.open(source, [LabelSpec("a", source=1), LabelSpec("b", source=1)])
    assert one.tasks == ("a", "b")


@pytest.mark.parametrize("key", [b"sources", b"data_offsets", b'"F32"', b'"shape"', b"manifest"])
def test_a_damaged_file_is_made_again(source, key):
    target = ltr_data.convert(source)
    whole = target.read_bytes()
    expected = ltr_data.open(source).checksum()
    target.write_bytes(whole.replace(key, key[:-2] + b"z" + key[-1:]))
    assert ltr_data.open(source).checksum() == expected
    assert target.read_bytes() == whole


def test_names_that_are_damaged(source):
    target = ltr_data.convert(source)
    target.write_bytes(target.read_bytes().replace(b'["1"]', b'["1"}'))
    with pytest.raises(ValueError, match=r"train.txt.safetensors: the file is damaged, remove it"):
        ltr_data.open(source)


def test_a_cache_that_is_no_folder(source, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(NotADirectoryError, match=r"need a folder, .*file"):
            ltr_data.open(source, cache=folder)
    with pytest.raises(TypeError, match="`cache` must be True, False or a folder, got None"):
        ltr_data.open(source, cache=None)


def test_a_folder_in_the_place_of_the_converted_file(source):
    (source.parent / "train.txt.safetensors").mkdir()
    with pytest.raises(IsADirectoryError, match=r"train\.txt\.safetensors is a folder"):
        ltr_data.open(source)


def test_a_converted_file_opens_without_its_source(source):
    expected = ltr_data.open(source).checksum()
    target = ltr_data.convert(source)
    source.unlink()
    assert ltr_data.open(target).checksum() == expected
    with pytest.raises(ValueError, match="the file is already converted; `open` maps it"):
        ltr_data.read(target)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"1 qid:1 1:1\n"), r"the content is compressed, .* must end in \.gz"),
        (b"2 1:0.5\n", r":1: .* got '1:0.5'; a file without query ids needs one named \.query"),
    ],
)
def test_content_of_another_kind(source, content, message):
    source.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(source)) + ".*" + message):
        ltr_data.open(source)


def test_indices_are_whole_numbers(source):
    dataset = ltr_data.open(source, [LabelSpec("relevance")])
    for index in ("a", 0.0, slice(0, 1), True):
        with pytest.raises(TypeError, match=r"`index` must be an int, got"):
            dataset[index]
    for indices in ([0.9], [True], ["0"], [None]):
        with pytest.raises(TypeError, match=r"`indices` must be whole numbers, got"):
            dataset.batch(indices)


def test_a_sampler_is_seeded_by_a_whole_number():
    for make in (ltr_data.BucketBatchSampler, ltr_data.StaticBatchSampler):
        options = {"list_lengths": [4], "max_tokens": 9}
        if make is ltr_data.BucketBatchSampler:
            options = {"batch_size": 2}
        for seed in ("x", 1.5, None):
            with pytest.raises(TypeError, match=r"`seed` must be an int, got"):
                make([3, 3], seed=seed, **options)
        with pytest.raises(ValueError, match=r"`seed` must not be negative, got -1"):
            make([3, 3], seed=-1, **options)


def test_what_puts_a_scattered_query_together_is_named(tmp_path):
    path = tmp_path / "scattered.txt"
    path.write_text("1 qid:1 1:2\n0 qid:2 1:2\n0 qid:1 1:1\n")
    for read in (ltr_data.read_svmrank, ltr_data.read):
        with pytest.raises(ValueError, match=r"comes back.*`regroup=True` of `read` or `open`"):
            read(path)
