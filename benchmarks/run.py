"""Runs every benchmark of this folder and gathers their tables in RESULTS.md.

    hatch run bench:all                     all of them
    hatch run bench:all ltr_losses          some
    hatch run bench:all --gather            none: only gathers what they wrote before
    hatch run bench:all --quick             a small part of those that have one: do they still run?

Each script prints its table and writes results/<name>.md; it can be run alone.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    # What begins with an underscore is a part of a script.
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py") if path.stem != "run")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *names], help=", ".join(names))
    parser.add_argument("--gather", action="store_true", help="run none of them")
    parser.add_argument("--quick", action="store_true", help="a small part, nothing written")
    options = parser.parse_args()
    for name in [] if options.gather else options.names or names:
        script = FOLDER / f"{name}.py"
        quick = ["--quick"] if options.quick else []
        if quick and "--quick" not in script.read_text():
            print(f"{name}: has no quick part")
            continue
        subprocess.run([sys.executable, script, *quick], check=True)  # noqa: S603 - our own scripts
    if options.quick:
        return
    tables = [path.read_text().strip() for path in sorted((FOLDER / "results").glob("*.md"))]
    head = "# Benchmarks\n\nGathered by `hatch run bench:all` from the tables in results/."
    (FOLDER / "RESULTS.md").write_text("\n\n".join([head, *tables]) + "\n")


if __name__ == "__main__":
    main()
