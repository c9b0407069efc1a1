"""What a file of another kind is, by its first bytes, and what its owner can do."""

import re
from dataclasses import dataclass

START_BYTES = 1024  # that `recognise` needs to see


@dataclass(frozen=True)
class Recognised:
    """A kind of file.

    Attributes:
        name: What it is called.
        message: What it is and what to do, for an error.
        suffix: With which the name of such a file must end, if that makes it readable.
    """

    name: str
    message: str
    suffix: str = ""


def _named(name: str, suffix: str) -> Recognised:
    return Recognised(name, f"the content is {name}, so the name must end in {suffix}", suffix)


def _compressed(name: str, suffix: str) -> Recognised:
    message = f"the content is compressed, with {name}, so the name must end in {suffix}"
    return Recognised(name, message, suffix)


def _other(name: str, advice: str) -> Recognised:
    return Recognised(name, f"the content is {name}; {advice}")


_ARRAYS = "load it with NumPy and give its arrays to `ltr_data.from_numpy`"
_FRAME = "read it with pandas and give the frame to `ltr_data.from_pandas`"
_ARROW = "read it with pyarrow and give the table to `ltr_data.from_arrow`"
_TEXT = "give the text file that it was made of"
_UTF8 = "save it as UTF-8"
_TAR = _other("a tar archive", "unpack it and give the files that were in it")
_ZIP = _compressed("zip", ".zip")
_UTF_16, _UTF_32 = _other("text in UTF-16", _UTF8), _other("text in UTF-32", _UTF8)

_STARTS = (
    (b"\x1f\x8b", _compressed("gzip", ".gz")),
    (b"\x28\xb5\x2f\xfd", _compressed("zstd", ".zst")),
    *((b"BZh%d1AY&SY" % level, _compressed("bzip2", ".bz2")) for level in range(1, 10)),
    (b"\xfd7zXZ\0", _compressed("xz", ".xz")),
    (b"\x04\x22\x4d\x18", _other("compressed with LZ4", "decompress it, or use .gz or .zst")),
    (b"PAR1", _named("Parquet", ".parquet")),
    (b"ARROW1", _named("an Arrow or Feather file", ".arrow")),
    (b"FEA1", _other("an old Feather file", _ARROW)),
    (b"\xff\xff\xff\xff", _other("an Arrow stream", _ARROW)),
    (b"\x93NUMPY", _other("a NumPy array", _ARRAYS)),
    (b"\x89HDF\r\n\x1a\n", _other("an HDF5 file", _FRAME)),
    (b"SQLite format 3\0", _other("an SQLite data base", _FRAME)),
    (b"______LightGBM_Binary_File_Token______", _other("LightGBM's binary data", _TEXT)),
    (b"\x01\xab\xff\xff", _other("XGBoost's binary data", _TEXT)),
    (b"\xff\xfe\0\0", _UTF_32),
    (b"\0\0\xfe\xff", _UTF_32),
    (b"\xff\xfe", _UTF_16),
    (b"\xfe\xff", _UTF_16),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype html|html|\?xml)", re.IGNORECASE)
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_ZIP_MAGIC, _ZIP_NAME_AT = b"PK\x03\x04", 30
_ALTERNATE = 8  # bytes in which zeros alternate with others, to be taken for UTF-16


def recognise(start: bytes) -> Recognised | None:
    r"""Return what a file is that can be no text in UTF-8, by its first `START_BYTES`; else None.

    Examples:
        >>> recognise(b"PAR1\x15\x04").message
        'the content is Parquet, so the name must end in .parquet'
        >>> recognise(b"2 qid:1 1:0.5") is None
        True
    """
    if start.startswith(_ZIP_MAGIC):
        return _zip(start[_ZIP_NAME_AT:])
    for magic, found in _STARTS:
        if start.startswith(magic):
            return found
    if start[_TAR_AT:].startswith(_TAR_MAGIC):
        return _TAR
    if _PICKLE.match(start):
        return _other("a pickle", f"if you trust its source, {_FRAME}")
    if _WEB_PAGE.match(start):
        return _other("a web page", "the download has failed, or needs a browser")
    for zeros, found in ((b"\0\0\0", _UTF_32), (b"\0", _UTF_16)):
        width = len(zeros) + 1
        groups = {start[i : i + width] for i in range(0, _ALTERNATE, width)}
        for place in (0, 1):  # the character's byte first, or last
            rests = {group[1:] if place == 0 else group[:-1] for group in groups}
            if rests == {zeros} and not any(group.strip(b"\0") == b"" for group in groups):
                return found
    return None


def _zip(name: bytes) -> Recognised:
    """Return what a zip archive is, by the name of its first member and what follows it."""
    if b".npy" in name:
        return _other("NumPy's .npz", _ARRAYS)
    if name.startswith((b"[Content_Types].xml", b"xl/", b"_rels/")):
        return _other("an Excel workbook", f"save it as CSV, or {_FRAME}")
    return _ZIP


NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def recognise_line(line: bytes) -> Recognised | None:
    """Return what a text is, other than SVMrank's, by its first line that is not blank.

    Examples:
        >>> recognise_line(b"301 0 FBIS3-10082 1").name
        'qrels of TREC'
    """
    fields = line.split()
    if line.lstrip().startswith((b'{"', b"{ ")):
        return _named("JSON lines", ".jsonl")
    if line.lstrip().startswith(b"["):
        return _other("a JSON array", _FRAME)
    if len(fields) == 6 and fields[1].upper() == b"Q0" and NUMBER.fullmatch(fields[4]):
        return _other("a run of TREC", "`ltr_data.trec.read_run` reads it")
    if len(fields) == 4 and fields[1].upper() in (b"0", b"Q0") and NUMBER.fullmatch(fields[3]):
        return _other("qrels of TREC", "`ltr_data.trec.read_qrels` reads them")
    for delimiter, suffix in ((b",", ".csv"), (b"\t", ".tsv"), (b";", ".csv")):
        cells = [cell.strip() for cell in line.strip().split(delimiter)]
        if len(cells) > 1 and b":" not in line:
            if not any(map(NUMBER.fullmatch, cells)):
                return _named("a table with the names of its columns", suffix)
            if all(map(NUMBER.fullmatch, cells)):
                advice = f"write them into a first line, and let the name end in {suffix}"
                return _other("a table without the names of its columns", advice)
    return None
