"""The text format of SVMrank and LETOR: ``<label> qid:<id> <feature>:<value> ... # comment``."""
