"""The report of a study: text, page, tables and figures in its folder."""

from .study_report import StudyReport, study_report
from .write import write_report

__all__ = ["StudyReport", "study_report", "write_report"]
