"""Files and objects of any format to tables.

The rows of a file come as a stream, whatever the format: `_streams` opens it, plain, compressed or
in an archive; `svmrank`, `_lightgbm` and `_tabular` parse it; `_builder` makes a table of the rows.
`_source` chooses by the file's name; `_in_memory` takes Arrow, pandas and NumPy.
"""
