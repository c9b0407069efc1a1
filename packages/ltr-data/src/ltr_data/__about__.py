"""The version of ltr-data."""

__version__ = "0.1.0"
