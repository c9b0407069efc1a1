"""Converting, opening and batching a file of MSLR's shape, beside other readers.

Run ``python benchmarks/ltr_data.py`` from an environment with ltr-data; scikit-learn, LightGBM and
polars take part where they can be imported, and mtl2r-models and ltr-losses for the time in which a
ranker uses up a batch. Writes ``benchmarks/results/ltr_data.md``; with ``--quick`` it takes a tenth
of the text and one round, and only prints.

Every reader runs in a process of its own, so that its peak memory is its own, and the rounds go
through all readers in turn, so that a busy machine is busy for all of them. The best round counts.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results" / "ltr_data.md"
# This file has the name of the package, and Python looks beside a script first.
sys.path = [entry for entry in sys.path if Path(entry).resolve() != FOLDER]
NUM_FEATURES = 136
#: Text of MSLR has shorter numbers than float32's shortest exact ones; this many digits give its
#: 1,160 bytes per line.
DIGITS = 6

# Each is a program that does one thing with the file sys.argv[1] and prints what it found. Imports
# come first and are not timed.
PROGRAMS = {
    "bytes read, nothing else": """
import sys, time
START()
total = 0
with open(sys.argv[1], "rb", buffering=0) as file:
    buffer = bytearray(1 << 20)
    while count := file.readinto(buffer):
        total += count
STOP()
""",
    "ltr_data.convert": """
import sys, ltr_data
START()
target = ltr_data.convert(sys.argv[1], force=True)
STOP()
table = ltr_data.open(sys.argv[1])
RESULT(table.features.shape[0], table.features.shape[1], float(table.features.sum(dtype="f8")))
""",
    "ltr_data.convert, 1 thread": """
import sys, ltr_data
START()
target = ltr_data.convert(sys.argv[1], force=True, threads=1)
STOP()
""",
    "ltr_data.read_svmrank": """
import sys, ltr_data
START()
table = ltr_data.read_svmrank(sys.argv[1])
STOP()
RESULT(table.features.shape[0], table.features.shape[1], float(table.features.sum(dtype="f8")))
""",
    "scikit-learn": """
import sys
from sklearn.datasets import load_svmlight_file
START()
features, labels, queries = load_svmlight_file(sys.argv[1], query_id=True)
STOP()
RESULT(features.shape[0], features.shape[1], float(features.astype("f4").sum(dtype="f8")))
""",
    "LightGBM": """
import sys, lightgbm
START()
data = lightgbm.Dataset(sys.argv[1] + ".lgb", params={"verbose": -1})
data.construct()
STOP()
RESULT(data.num_data(), data.num_feature() - 1, None)
""",
    "polars": """
import io, sys, polars
START()
with open(sys.argv[1], "rb") as file:
    text = file.read().translate(bytes.maketrans(b":", b" "))
width = 3 + 2 * NUM_FEATURES
table = polars.read_csv(
    io.BytesIO(text), separator=" ", has_header=False, columns=[0, 2, *range(4, width, 2)],
    schema_overrides={f"column_{j + 1}": polars.Float32 for j in range(4, width, 2)},
)
matrix = table[:, 2:].to_numpy()
STOP()
RESULT(*matrix.shape, float(matrix.sum(dtype="f8")))
""",
}
# The same for tables with named columns, sys.argv[1] without its ending.
TABLES = {
    "csv": {
        "pyarrow, the whole file": "pyarrow.csv.read_csv(path)",
        "pyarrow, as a stream": "sum(batch.num_rows for batch in pyarrow.csv.open_csv(path))",
        "ltr_data.convert": "ltr_data.convert(path, columns=columns, force=True)",
    },
    "parquet": {
        "pyarrow, the whole file": "pyarrow.parquet.read_table(path)",
        "pyarrow, as a stream": (
            "sum(b.num_rows for b in pyarrow.parquet.ParquetFile(path).iter_batches())"
        ),
        "ltr_data.convert": "ltr_data.convert(path, columns=columns, force=True)",
    },
}
TABLE_PROGRAM = """
import sys, pyarrow.csv, pyarrow.parquet, ltr_data
path = sys.argv[1]
columns = ltr_data.Columns(query="list", id="item", infer=True)
START()
{action}
STOP()
"""
NEEDS = {"scikit-learn": "sklearn", "LightGBM": "lightgbm", "polars": "polars"}

PRELUDE = f"""
import json as _json, time as _time
NUM_FEATURES = {NUM_FEATURES}
_out = {{}}
def _peak():
    with open("/proc/self/status") as status:  # of this program, not of the one that started it
        return int(next(l for l in status if l.startswith("VmHWM")).split()[1]) / 1e3
def START():
    _out["base"] = _peak()
    _out["cpu"] = _time.process_time()
    _out["wall"] = _time.perf_counter()
def STOP():
    _out["wall"] = _time.perf_counter() - _out["wall"]
    _out["cpu"] = _time.process_time() - _out["cpu"]
    _out["peak"] = _peak()
def RESULT(*found):
    _out["found"] = found
"""


def measure(name: str, path: Path, program: str | None = None) -> dict:
    code = PRELUDE + (program or PROGRAMS[name]) + "\nprint(_json.dumps(_out))"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def make(path: Path, megabytes: int) -> int:
    """Write text of about this size, and LightGBM's form of it; returns the number of documents."""
    import numpy as np

    import ltr_data
    from ltr_data.datasets import synthetic

    documents = 0
    part = path.with_suffix(".part")
    sizes: list[int] = []
    with path.open("wb") as file:
        seed = 0
        while file.tell() < megabytes * 1e6:
            table = synthetic.generate(150, seed=seed)
            with np.errstate(divide="ignore"):
                magnitude = np.floor(np.log10(np.abs(table.features), dtype=np.float64))
            unit = 10.0 ** (DIGITS - 1 - np.where(np.isfinite(magnitude), magnitude, 0))
            table.features[:] = np.round(table.features * unit) / unit
            ltr_data.write_svmrank(part, table)
            text = part.read_bytes()
            # Queries of another part are other queries.
            first = 1000 * seed
            file.write(
                re.sub(rb" qid:(\d+)", lambda m, n=first: b" qid:%d" % (n + int(m[1])), text)
            )
            sizes.extend(table.lengths.tolist())
            documents += table.num_documents
            seed += 1
    part.unlink()
    if importlib.util.find_spec("lightgbm"):
        bare = Path(f"{path}.lgb")
        with path.open("rb") as file, bare.open("wb") as target:
            for line in file:
                target.write(re.sub(rb" qid:\S+", b"", line, count=1))
        Path(f"{bare}.query").write_text("".join(f"{size}\n" for size in sizes))
    return documents


def make_tables(folder: Path, megabytes: int) -> int:
    """Write a CSV file of about this size, and the same as Parquet; returns the number of rows.

    Numbers, a tenth of them missing in every fifth column; words, money, counts and ids.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    random, rows, done = np.random.default_rng(0), 50_000, 0
    writers: list = []
    while not done or (folder / "table.csv").stat().st_size < megabytes * 1e6:
        columns: dict = {
            "list": np.repeat(np.arange(done // 50, (done + rows) // 50), 50),
            "item": [f"item-{i}" for i in range(done, done + rows)],
            "price": [f"${price:,.2f}" for price in random.exponential(800, rows)],
            "clicks": random.poisson(1, rows),
        }
        for j in range(60):
            values = random.exponential(10.0 ** (j % 4), rows).round(3)
            columns[f"x{j}"] = pa.array(values, mask=(random.random(rows) < 0.1) & (j % 5 == 0))
        for j in range(4):
            columns[f"word{j}"] = random.choice([f"word {k}" for k in range(30)], rows)
        table = pa.table(columns)
        if not writers:
            writers = [
                pa.csv.CSVWriter(folder / "table.csv", table.schema),
                pa.parquet.ParquetWriter(folder / "table.parquet", table.schema),
            ]
        for writer in writers:
            writer.write_table(table)
        done += rows
    for writer in writers:
        writer.close()
    return done


def tables(folder: Path, megabytes: int, rounds: int) -> list[str]:
    """Converting tables with named columns beside pyarrow's own reading."""
    rows = make_tables(folder, megabytes)
    lines = [
        (
            f"Tables of {rows:,} rows with 60 columns of numbers with gaps, 4 of words, money, "
            "counts and ids, whose kinds `convert` finds. pyarrow's stream of CSV is bounded in "
            f"memory, its other readers are not. Medians of {rounds} rounds, ratios within each."
        ),
        "",
        "| | MB | seconds | speed, of the whole file's | of the stream's | peak MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for form, actions in TABLES.items():
        path = folder / f"table.{form}"
        found: dict[str, list[dict]] = {name: [] for name in actions}
        for number in range(rounds):
            for name, action in actions.items():
                program = TABLE_PROGRAM.format(action=action)
                found[name].append(measure(name, path, program))
                print(number, form, name, found[name][-1], flush=True)
        whole, stream, _ = found.values()
        for name, own in found.items():
            seconds = statistics.median(one["wall"] for one in own)
            ratios = [
                statistics.median(b["wall"] / a["wall"] for a, b in zip(own, other, strict=True))
                for other in (whole, stream)
            ]
            peak = max(one["peak"] for one in own)
            lines.append(
                f"| {form}: {name} | {path.stat().st_size / 1e6:.0f} | {seconds:.1f} | "
                f"{ratios[0]:.2f} | {ratios[1]:.2f} | {peak:.0f} |"
            )
    return lines


def batches_per_second(path: Path) -> list[str]:
    """Opening, and batches of the mapped file against those of a copy in memory."""
    import numpy as np

    import ltr_data
    from ltr_data.datasets import mslr

    def best(action, rounds=5):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            result = action()
            times.append(time.perf_counter() - start)
        return min(times), result

    lines = []
    opened, mapped = best(lambda: ltr_data.open(path))
    lines.append(f"| open, all columns, the file's label | {1e3 * opened:.1f} ms |")
    tasks = [mslr.tasks()[name] for name in ("relevance", "click")]
    lazy, view = best(lambda: ltr_data.open(path, tasks))
    lines.append(f"| open, paper's inputs, relevance and click grades | {1e3 * lazy:.0f} ms |")
    copied, memory = best(
        lambda: ltr_data.RankingDataset.from_table(ltr_data.read_svmrank(path), tasks), rounds=1
    )
    lines.append(f"| read into memory instead, the same | {1e3 * copied:.0f} ms |")
    for name, sampler in (
        ("64 lists", ltr_data.BucketBatchSampler(mapped.lengths, batch_size=64)),
        ("16,384 tokens", ltr_data.BucketBatchSampler(mapped.lengths, max_tokens=16_384)),
    ):
        share = sampler.token_utilization()
        lines.append(f"| utilisation of bucketed batches of {name} | {share:.3f} |")
    random = np.random.default_rng(0).permutation(len(mapped))[: len(mapped) // 64 * 64]
    lengths = mapped.lengths[random].reshape(-1, 64)
    share = lengths.sum() / (64 * lengths.max(axis=1)).sum()
    lines.append(f"| utilisation of random batches of 64 lists | {share:.3f} |")
    for name, dataset in (
        ("mapped, all columns", mapped),
        ("mapped, columns selected batch by batch", view),
        ("in memory", memory),
    ):
        sampler = ltr_data.BucketBatchSampler(dataset.lengths, batch_size=64)

        def epoch(dataset=dataset, sampler=sampler):
            return sum(batch.features.shape[0] for batch in ltr_data.batches(dataset, sampler))

        seconds, _ = best(epoch, rounds=3)
        rate = dataset.num_documents / seconds / 1e6
        lines.append(
            f"| batches of 64 lists, {name} | {len(sampler) / seconds:.0f} batches/s, "
            f"{rate:.1f} M documents/s |"
        )
    return lines


def batches_and_training(path: Path, steps: int) -> list[str]:
    """Making a batch beside the step that the preset ranker takes on it, batch by batch."""
    if not all(map(importlib.util.find_spec, ("mtl2r_models", "ltr_losses"))):
        return []
    import torch

    import ltr_data
    from ltr_data.datasets import mslr
    from ltr_losses import listnet_loss
    from mtl2r_models import ListTransformer

    dataset = ltr_data.open(path, [mslr.tasks()[name] for name in ("relevance", "click")])
    torch.manual_seed(0)
    model = ListTransformer(dataset.features.shape[1])
    sampler = ltr_data.BucketBatchSampler(dataset.lengths, batch_size=64)
    indices = list(sampler)[: steps + 1]
    made, used = [], []  # milliseconds
    for chosen in indices:
        start = time.perf_counter()
        batch = dataset.batch(chosen)
        made.append(1e3 * (time.perf_counter() - start))
        start = time.perf_counter()
        scores = model(batch.features, batch.mask)
        listnet_loss(scores, batch.labels, mask=batch.mask).sum().backward()
        used.append(1e3 * (time.perf_counter() - start))
    del made[0], used[0]  # the first finds nothing in memory
    ratio = statistics.median(u / m for m, u in zip(made, used, strict=True))
    count = sum(parameter.numel() for parameter in model.parameters())
    training = f"{count:,} parameters, {torch.get_num_threads()} threads"
    return [
        f"| a batch of 64 lists, mapped | {statistics.median(made):.1f} ms |",
        f"| its forward and backward pass, {training} | {statistics.median(used):.0f} ms |",
        f"| batches come faster than they are used, median of {steps} | {ratio:.0f} × |",
    ]


def table_of(rounds: dict[str, list[dict]], megabytes: float) -> list[str]:
    lines = [
        "| | MB/s, wall | MB/s, CPU | × scikit-learn | × LightGBM | peak MB | above imports, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    wall = {name: min(r["wall"] for r in found) for name, found in rounds.items()}

    def ratio(name: str, other: str) -> str:
        # Each round on its own, since the machine may be busier in one than in another.
        pairs = zip(rounds[name], rounds.get(other, ()), strict=False)
        ratios = sorted(b["wall"] / a["wall"] for a, b in pairs)
        return f"{ratios[len(ratios) // 2]:.1f}" if ratios else "–"

    for name, found in rounds.items():
        cpu = min(r["cpu"] for r in found)
        peak = max(r["peak"] for r in found)
        above = max(r["peak"] - r["base"] for r in found)
        lines.append(
            f"| {name} | {megabytes / wall[name]:.0f} | {megabytes / cpu:.0f} | "
            f"{ratio(name, 'scikit-learn')} | {ratio(name, 'LightGBM')} | "
            f"{peak:.0f} | {above:.0f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=230)
    parser.add_argument("--large", type=int, default=1000, help="for the peak memory; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of training")
    parser.add_argument("--quick", action="store_true", help="a tenth of it, and only print")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.megabytes, arguments.large, arguments.rounds, arguments.steps = 23, 100, 1, 2
    names = [
        name
        for name in PROGRAMS
        if name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mslr.txt")
        documents = make(path, arguments.megabytes)
        megabytes = path.stat().st_size / 1e6
        rounds: dict[str, list[dict]] = {name: [] for name in names}
        for number in range(arguments.rounds):
            for name in names:
                rounds[name].append(measure(name, path))
                print(number, name, rounds[name][-1], flush=True)
        found = {n: tuple(r[0]["found"][:2]) for n, r in rounds.items() if "found" in r[0]}
        assert set(found.values()) == {(documents, NUM_FEATURES)}, found
        sums = [r[0]["found"][2] for r in rounds.values() if r[0].get("found", [None])[-1]]
        assert max(sums) - min(sums) <= 1e-9 * abs(max(sums)), sums
        lines = table_of(rounds, megabytes)
        others = batches_per_second(path) + batches_and_training(path, arguments.steps)
        if arguments.large:
            large = Path(folder, "large.txt")
            with large.open("wb") as file:
                for copy in range(max(1, round(arguments.large / megabytes))):
                    text = path.read_bytes()
                    file.write(text.replace(b" qid:", b" qid:%d-" % copy))
            size = large.stat().st_size / 1e6
            one = measure("ltr_data.convert", large)
            others.append(
                f"| convert {size:.0f} MB | {size / one['wall']:.0f} MB/s, "
                f"peak {one['peak']:.0f} MB, {one['peak'] - one['base']:.0f} MB above imports |"
            )
        path.unlink()
        named = tables(Path(folder), max(arguments.large, 20), arguments.rounds)
    report = (
        "# ltr-data\n\n"
        f"`python benchmarks/ltr_data.py`, {os.cpu_count()} processors ({platform.machine()}), "
        f"Python {platform.python_version()}.\n\n"
        f"{megabytes:.0f} MB of text, {documents:,} documents × {NUM_FEATURES} features; "
        f"{arguments.rounds} rounds through all readers in turn, each in a new process. Ratios are "
        "medians over the rounds, so that they hold on a machine that others use too. "
        "ltr-data verifies every feature number; polars' way (colons to blanks) verifies none, and "
        "LightGBM's time includes its binning.\n\n"
        + "\n".join(lines)
        + "\n\n| | |\n| --- | --- |\n"
        + "\n".join(others)
        + "\n\n"
        + "\n".join(named)
        + "\n"
    )
    print(report)
    if not arguments.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(report)


if __name__ == "__main__":
    main()
