"""Random tables in every format, whole and damaged: what is in them, or an error that says where.

``FUZZ_EXAMPLES=20000 pytest packages/ltr-data -k fuzz_tables`` looks at so many of each kind.
"""

import csv
import io
import json
import os
import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data import Columns
from ltr_data._kinds import GAPS, KINDS, infer_kind

many = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CSV = {"csv": ",", "tsv": "\t", "semicolon.csv": ";"}
TYPED = ("parquet", "feather", "jsonl")

gap = st.sampled_from(sorted(GAPS))
character = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
word = st.text(st.one_of(st.sampled_from("ab,;\t\"' \n"), character), max_size=6)
name = st.text(st.one_of(st.sampled_from("abc"), character), min_size=1, max_size=6).filter(
    lambda text: not set(text) & set(',;\t"\n\r\ufeff')
)
number = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(["1e-3", ".5", "5.", "-0", "00012", "1E+2", "+7", "-.5e1"]),
)
VALUES = {
    "number": number,
    "flag": st.sampled_from(["t", "f", "true", "False", "yes", "No", "y", "N"]),
    "percent": st.integers(0, 100).map("{}%".format),
    "money": st.integers(0, 10**6).map("${:,}.00".format),
    "words": word,
}


@st.composite
def tables(draw):
    """Return queries, a document id per row, and texts of columns by name with their kinds."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    queries = draw(st.lists(word, min_size=len(lengths), max_size=len(lengths), unique=True))
    rows = sum(lengths)
    names = draw(
        st.lists(name, min_size=1, max_size=4, unique=True).filter(
            lambda names: not {"qid", "doc", "label"} & set(names)
        )
    )
    columns = {}
    for one in names:
        kind = draw(st.sampled_from(KINDS))
        value = st.one_of(VALUES[kind], VALUES[kind], VALUES[kind], gap)
        columns[one] = (kind, draw(st.lists(value, min_size=rows, max_size=rows)))
    query = [q for q, length in zip(queries, lengths, strict=True) for _ in range(length)]
    return query, draw(st.lists(word, min_size=rows, max_size=rows)), columns


def meaning(kind, text):
    """The number of a text that is no gap, by other means than the reader's."""
    if kind == "number":
        return np.float32(Decimal(text))
    if kind == "flag":
        return np.float32(text.lower() in ("t", "true", "yes", "y"))
    return np.float32(float(re.sub("[$,%]", "", text)))


def expected(texts, kind):
    """The values of a column, and its words."""
    words = list(dict.fromkeys(t for t in texts if t not in GAPS)) if kind == "words" else None
    return [
        np.nan if t in GAPS else meaning(kind, t) if words is None else words.index(t)
        for t in texts
    ], words


def write(path, form, table):
    query, documents, columns = table
    everything = {"qid": query, "doc": documents, **{n: texts for n, (_, texts) in columns.items()}}
    if form in CSV:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=CSV[form])
        writer.writerow(everything)
        writer.writerows(zip(*everything.values(), strict=True))
        path.write_bytes(text.getvalue().encode())
    elif form == "parquet":
        pa.parquet.write_table(pa.table(everything), path)
    elif form == "feather":
        pa.feather.write_feather(pa.table(everything), path)
    else:
        rows = [
            dict(zip(everything, row, strict=True))
            for row in zip(*everything.values(), strict=True)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def check(found, table, kinds):
    query, documents, columns = table
    assert found.feature_names == tuple(columns)
    runs = [q for i, q in enumerate(query) if not i or query[i - 1] != q]
    assert list(found.query_ids) == runs
    assert list(found.document_ids) == documents
    for j, (one, (_, texts)) in enumerate(columns.items()):
        values, words = expected(texts, kinds[one])
        np.testing.assert_array_equal(found.features[:, j], np.array(values, dtype=np.float32))
        assert found.words.get(j + 1) == (None if words is None else tuple(words))


@pytest.mark.parametrize("form", [*CSV, *TYPED])
@given(table=tables(), infer=st.booleans())
@many
def test_what_was_written_is_read(tmp_path, form, table, infer):
    path = tmp_path / f"t.{form}"
    write(path, form, table)
    kinds = {one: kind for one, (kind, _) in table[2].items()}
    if infer:
        for one, (_, texts) in table[2].items():
            known = {text for text in texts if text not in GAPS}
            kinds[one] = infer_kind(known) if known else "number"
            # A word like "1E100" is a number that float32 does not hold.
            assume(kinds[one] != "number" or all(abs(float(t)) < 1e38 for t in known))
    columns = Columns(id="doc", nullable="all", infer=infer, kinds={} if infer else kinds)
    check(ltr_data.read(path, columns=columns), table, kinds)


def read(path, columns):
    """The table, and what was said in its place."""
    try:
        return ltr_data.read(path, columns=columns), ""
    except ValueError as error:
        return None, str(error)


edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=4)), min_size=1, max_size=3
)


@pytest.mark.parametrize("form", [*CSV, *TYPED])
@given(table=tables(), edits=edits, infer=st.booleans())
@many
def test_a_damaged_file_is_read_or_named(tmp_path, form, table, edits, infer):
    path = tmp_path / f"t.{form}"
    write(path, form, table)
    content = path.read_bytes()
    for place, length, new in edits:
        at = int(place * len(content))
        content = content[:at] + new + content[at + length :]
    path.write_bytes(content)
    found, error = read(path, Columns(id="doc", nullable="all", infer=infer))
    assert found is not None or str(path) in error
    if found is None:
        return
    assert found.num_documents == len(found.document_ids) == len(found.features)
    assert np.isfinite(found.features[~np.isnan(found.features)]).all()
    if form in CSV and b'"' not in content:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        names, *rows = [r for r in csv.reader(lines, delimiter=CSV[form]) if r]
        assert list(found.document_ids) == [row[names.index("doc")] for row in rows]
