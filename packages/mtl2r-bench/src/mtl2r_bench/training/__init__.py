"""The training of one run, from its config to its record; `run.py` tells the story."""
