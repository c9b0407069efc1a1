"""From the columns of a table to the labels of tasks."""
