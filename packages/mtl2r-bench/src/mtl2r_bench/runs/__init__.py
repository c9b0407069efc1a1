"""The folders and files of runs and studies; the only code that opens them."""
