"""``python -m mnistkit``."""

from mnistkit.cli import run

run()
