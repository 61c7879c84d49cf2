"""Fuzzing on demand: valid files with changed bytes, given to each reader.

``python -m tests.fuzzing csv --seconds 600`` from the top of the repository; csv, toml or results.
A reader must answer a changed file with success or an error of ours, in one sentence; what it
accepts must be what the bytes say. The seed and the file of each failure are printed.
"""
