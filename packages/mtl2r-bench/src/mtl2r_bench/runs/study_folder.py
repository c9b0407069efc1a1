"""A study's folder."""

from pathlib import Path

from ltr_data.files import FileLock

from ..config import StudyConfig, load_study, validate
from .files import read_json


class StudyFolder:
    """The files of a study.

    study.toml           its config, defaults included
    references.json      random order and best single feature on its data; with several folds
                         references-fold<n>.json for each
    runs/<name>/         one folder a run, see `mtl2r_bench.runs.run_folder`
    report.html, report.md, report.json, results.parquet, tables/, figures/    by the report
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.study = self.path / "study.toml"
        self.runs = self.path / "runs"
        self.results = self.path / "results.parquet"
        self.report = self.path / "report.md"
        self.page = self.path / "report.html"
        self.data = self.path / "report.json"
        self.tables = self.path / "tables"
        self.figures = self.path / "figures"
        self.lock = FileLock(self.path / "lock")

    def references_of(self, fold: int | None) -> Path:
        """Return the references file of a fold in ``study.folds``; None means a single fold."""
        return self.path / ("references.json" if fold is None else f"references-fold{fold}.json")

    def begun(self) -> tuple[StudyConfig, tuple[str, ...]]:
        """Return the config of a study that was begun here, and the full names of its labels."""
        if self.study.is_file():
            study = validate(StudyConfig, load_study(self.study), str(self.study))
            references = self.references_of(None if study.folds is None else study.folds[0])
            if references.is_file():
                return study, tuple(read_json(references, "data")["data"]["tasks"])
        raise FileNotFoundError(f"{self.path}: expected a study that was begun, found none")
