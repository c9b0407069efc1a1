"""Random files, valid, trapped and damaged, against a reference that reads line by line.

``FUZZ_SECONDS=600 pytest -m slow packages/ltr-data -k fuzz`` runs for that long; a failure names
its case, and ``FUZZ_FIRST`` starts at a case.
"""

import gzip
import os
import random
import re
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import ltr_data
from ltr_data.mapped._cache_file import map_table
from ltr_data.readers.svmrank import _blocks

NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
KEY = re.compile(rb"[0-9]+")
BLANKS = re.compile(rb"[ \t\r\v\f]+")
MOST = np.finfo(np.float32).max


def to_float32(text):
    """The float32 nearest to the decimal number, ties to even; None where there is none."""
    if not NUMBER.fullmatch(text):
        return None
    mantissa, _, exponent = text.decode().lower().partition("e")
    # `Decimal` knows no exponents of any size; these are as far from float32.
    number = Decimal(f"{mantissa}e{max(-9999, min(int(exponent or 0), 9999))}")
    if number and number.adjusted() > 40:
        return None
    double = np.float64(float(number))
    if 1e-37 < abs(double) < 1e38 and double.view(np.uint64) % 2**29 != 2**28:
        return np.float32(double)  # not between two: rounding twice is rounding once
    sign = -1.0 if number.is_signed() else 1.0
    if not number or number.adjusted() < -60:
        return np.copysign(np.float32(0), np.float32(sign))
    exact = abs(Fraction(number))
    if exact >= Fraction(float(MOST)) + Fraction(2) ** 103:  # half a step above the largest
        return None
    guess = min(np.float32(min(float(exact), float(MOST))), MOST)
    near = {float(guess), float(np.nextafter(guess, np.float32(0)))}
    if guess < MOST:
        near.add(float(np.nextafter(guess, np.float32(np.inf))))
    best = min(
        near, key=lambda c: (abs(Fraction(c) - exact), int(np.float32(c).view(np.uint32)) % 2)
    )
    return np.copysign(np.float32(best), np.float32(sign))


def read_line(line):
    """Label, query, features and id of a line; None for a blank one; False for a wrong one."""
    fields = [field for field in BLANKS.split(line.partition(b"#")[0]) if field]
    if not fields:
        return None
    label = to_float32(fields[0])
    if label is None or len(fields) < 2 or not fields[1].startswith(b"qid:"):
        return False
    try:
        query = fields[1][4:].decode()
    except UnicodeDecodeError:
        return False
    features = {}
    for field in fields[2:]:
        key, _, value = field.partition(b":")
        number = to_float32(value)
        if number is None or not KEY.fullmatch(key) or not 1 <= int(key) <= 1_000_000:
            return False
        if int(key) in features:
            return False
        features[int(key)] = number
    return (label, query, features, read_id(line.partition(b"#")[2])) if query else False


def read_id(comment):
    """The document's id in a comment, or None."""
    key, _, rest = comment.partition(b"=")
    rest = rest.lstrip(b" \t")
    if key.strip(b" \t").lower() != b"docid" or not rest or rest[:1].isspace():
        return None
    try:
        return rest.split()[0].decode()
    except UnicodeDecodeError:
        return None


def reference(text):
    """The rows of a file, and the lines that are wrong, numbered from 1."""
    rows, wrong, seen = [], set(), set()
    text = text.removeprefix("\ufeff".encode())  # a byte order mark
    for number, line in enumerate(text.split(b"\n"), start=1):
        row = read_line(line)
        if row is False:
            wrong.add(number)
        elif row is not None:
            if (not rows or rows[-1][1] != row[1]) and row[1] in seen:
                wrong.add(number)
            seen.add(row[1])
            rows.append(row)
    return rows, wrong


def plain_number(r):
    kind = r.randrange(8)
    if kind < 3:
        return str(r.randrange(10 ** r.randrange(1, 6)))
    if kind == 3:
        return f"{r.uniform(-1, 1) * 10 ** r.randrange(-8, 9):.{r.randrange(1, 18)}g}"
    if kind == 4:
        return repr(float(np.float32(r.gauss(0, 10))))
    if kind == 5:  # between two float32
        value = np.float32(r.uniform(0.1, 100))
        middle = (Fraction(float(value)) + Fraction(float(np.nextafter(value, MOST)))) / 2
        digits = str(Decimal(middle.numerator) / Decimal(middle.denominator))
        return digits + r.choice(["", "1", "0000000001"])
    if kind == 6:
        return r.choice(["-0", "+1", ".5", "5.", "1E+2", "1e-3", "00012", "-.5e1", "0.0"])
    return r.choice(
        ["1e38", "3.4028235e38", "1e-45", "7e-46", "1e-400", "9" * 30, "0e999", "0." + "1" * 60]
    )


BAD_NUMBERS = [
    "nan",
    "NULL",
    "inf",
    "-inf",
    "1e39",
    "9" * 40,
    "",
    "1_0",
    "0x1",
    "x",
    "1:1",
    "1,5",
    "--1",
    "+-1",
    "1e",
    ".",
    "١",
    "NaN",
    "None",
    "1f",
    "1d5",
    "Infinity",
    "nan(1)",
    "1e99999999999999999999",
]
COMMENTS = ["", "#docid = GX01 1:9 qid:3", "# DocId=ü#7", "# ärger 日本", "#", "# # 1:1", " #\t1:1"]


def valid_file(r):
    """Lines of fields, and the file's style."""
    width = r.choice([1, 2, 3, 5, 9, 10, 12, 47, 101])
    style = r.choice(["dense", "dense", "sparse", "shuffled"])
    names = r.choice(["{}", "q{}", "{}-日本", "0{}", "1000{}"])
    lines = []
    for query in range(r.randrange(1, 5)):
        for _ in range(r.randrange(1, 6)):
            keys = [j for j in range(1, width + 1) if style == "dense" or r.random() < 0.7]
            if style == "shuffled":
                r.shuffle(keys)
            label = r.choice(["0", "1", "2", "4", "-1", "0.5", plain_number(r)])
            values = [f"{key}:{plain_number(r)}" for key in keys]
            lines.append([label, f"qid:{names.format(query)}", *values])
    return lines


def set_trap(r, lines):
    """Something that readers get wrong: some of it valid, some not."""
    line = r.choice([fields for fields in lines if fields] or [["0"]])
    at = r.randrange(len(line))
    kind = r.randrange(12)
    if kind == 0:
        line[at] = f"{line[at].partition(':')[0]}:{r.choice(BAD_NUMBERS)}"
    elif kind == 1:
        line[0] = r.choice([*BAD_NUMBERS, "good"])
    elif kind == 2 and len(line) > 2:  # missing and extra
        line[-1] = f"{len(line) + r.randrange(3)}:1"
    elif kind == 3:  # counted from 0
        for fields in lines:
            fields[2:] = [re.sub(r"^\d+", lambda m: str(int(m[0]) - 1), f) for f in fields[2:]]
    elif kind == 4:
        line[2:] = line[2:][::-1]
    elif kind == 5:
        lines.append(list(lines[0]))  # perhaps a query that comes back
    elif kind == 6 and len(line) > 2:
        line.append(r.choice(line[2:]))
    elif kind == 7:
        line[1:2] = [
            r.choice(["qid:", "qid", "QID:1", "1:1", "qid:\x7f", "qid:a:b", "qid: 1", "qid:1\x0b"])
        ]
    elif kind == 8:
        line.insert(
            at,
            r.choice(
                [
                    "",
                    "1",
                    ":",
                    "1:",
                    ":1",
                    "-1:1",
                    "01:1",
                    "1000000:1",
                    "1000001:1",
                    "0" * 25 + "3:1",
                    "a:1",
                ]
            ),
        )
    elif kind == 9:
        del line[at]
    elif kind == 10:
        lines.insert(
            r.randrange(len(lines) + 1), r.choice([[], ["# 1 qid:9 1:1"], [" "], ["\ufeff"]])
        )
    else:
        line[at] = line[at].replace(":", r.choice([" ", "::", ": ", " :"]), 1)


def to_text(r, lines):
    blank = r.choice([" ", " ", " ", "\t", "  "])
    end = r.choice(["\n", "\n", "\n", " \n", "\r\n", " \r\n", "\t\n", "  \n", "\n\n"])
    comment = r.choice(COMMENTS) if r.random() < 0.3 else ""
    mixed = r.random() < 0.2
    parts = []
    for fields in lines:
        if mixed:
            blank, end, comment = (
                r.choice(" \t"),
                r.choice(["\n", "\r\n", " \n"]),
                r.choice(COMMENTS),
            )
        parts.append(
            blank.join(fields) + (blank if comment and r.random() < 0.9 else "") + comment + end
        )
    text = "".join(parts).encode()
    return text.rstrip(b"\n") if r.random() < 0.2 else text


ALPHABET = b"0123456789.: \t-+eqidEx#\n\r_naINF\x00\xff\x0b\x0c\xc3"


def damage(r, text):
    """Some bytes changed, put in, or taken out; or the end is missing."""
    content = bytearray(text)
    for _ in range(r.randrange(1, 4)):
        at = r.randrange(len(content)) if content else 0
        kind = r.randrange(7)
        if kind < 2 and content:
            content[at] = r.choice(ALPHABET)
        elif kind < 4:
            content.insert(at, r.choice(ALPHABET))
        elif kind < 6 and content:
            del content[at]
        elif kind == 6:
            del content[at:]
    return bytes(content)


def make(case):
    """The text of a case, and how it is read."""
    r = random.Random(case)  # noqa: S311 - no secret
    lines = valid_file(r)
    while r.random() < 0.4:
        set_trap(r, lines)
    text = to_text(r, lines)
    return r, damage(r, text) if r.random() < 0.3 else text


def check(case, folder):
    """Equal to the reference, or both refuse, with file and line."""
    r, text = make(case)
    rows, wrong = reference(text)
    suffix, compress = r.choice([("", bytes), ("", bytes), (".gz", gzip.compress), (".zst", zst)])
    path = folder / f"case.txt{suffix}"
    path.write_bytes(compress(text))
    defaults, threads = r.choice([(16,), (60,), (300,), (1 << 19,)]), r.choice([1, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks.read_blocks, "__defaults__", defaults)
        try:
            table = ltr_data.read_svmrank(path, threads=threads)
            if r.random() < 0.05:
                table = map_table(ltr_data.convert(path, force=True, threads=threads))
            refusal = None
        except ValueError as error:
            refusal = str(error)
    if refusal is not None:
        line = re.match(re.escape(str(path)) + r":(\d+): ", refusal)
        if line:
            assert int(line[1]) in wrong, f"{refusal}; wrong are {sorted(wrong)}"
        else:
            assert refusal == f"{path}: there are no documents in the file"
            assert not rows
        return False
    assert not wrong, f"lines {sorted(wrong)} were read"
    features = np.zeros((len(rows), table.features.shape[1]), dtype=np.float32)
    for row, (_, _, given, _) in enumerate(rows):
        for key, value in given.items():
            features[row, key - 1] = value
    assert features.shape[1] == max(key for row in rows for key in (0, *row[2]))
    assert table.features.tobytes() == features.tobytes()
    assert table.labels.tobytes() == np.array([row[0] for row in rows], dtype=np.float32).tobytes()
    ids = [row[3] for row in rows]
    assert table.document_ids == (None if None in ids else ids)
    queries = np.repeat(np.array(table.query_ids, dtype=object), table.lengths)
    assert queries.tolist() == [row[1] for row in rows]
    return True


def zst(text):
    return pa.compress(text, codec="zstd", asbytes=True)


def run(cases, folder):
    valid = 0
    for case in cases:
        try:
            valid += check(case, folder)
        except Exception as error:
            raise AssertionError(f"case {case}: {make(case)[1]!r}") from error
    return valid


def test_fuzz_some_cases(tmp_path):
    valid = run(range(200), tmp_path)
    assert 50 < valid < 150  # both kinds


@pytest.mark.slow
def test_fuzz_for_a_time(tmp_path, capsys):
    first = int(os.environ.get("FUZZ_FIRST", time.time_ns() // 1000))
    end = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "60"))
    count = valid = 0
    while time.monotonic() < end:
        valid += run(range(first + count, first + count + 100), tmp_path)
        count += 100
    with capsys.disabled():
        print(f"{count} cases from {first}, {valid} valid", end=" ")  # noqa: T201


def test_the_reference_rounds_to_the_nearest():
    for text in (b"1", b"-0.1", b"16777217", b"16777219", b"3.4028235e38", b"1e-45", b"7.1e-46"):
        assert to_float32(text) == np.float32(text.decode())
    assert to_float32(b"3.4028236e38") is None
    assert to_float32(b"7e-46") == 0
    assert np.signbit(to_float32(b"-0"))
