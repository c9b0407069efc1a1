"""`python -m mtl2r_bench` is the command line."""

from .cli import main

main()
