"""Studies: the plan of their runs, the sweep, its backends, and the status."""
