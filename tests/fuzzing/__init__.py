"""Fuzzing on demand: valid files with changed bytes, and hostile arguments of public functions.

``python -m tests.fuzzing csv --seconds 600`` from the top of the repository; csv, toml, results or
calls. A reader must answer a changed file with success or an error of ours, in one sentence; what
it accepts must be what the bytes say. A public function must answer any argument with a result or
an error of ours, in one sentence, and Ctrl-C soon. Seed and file, or call, of each failure are
printed.
"""
