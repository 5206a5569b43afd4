"""The code is as clean as its own rules say; each tool reads them from pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy"])
def test_the_code_satisfies(tool):
    done = subprocess.run([sys.executable, "-m", *tool.split()], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("suppression", ["# type: ignore\n", "# noqa\n"])
def test_every_suppression_says_what_it_suppresses(suppression):
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    assert len(files) > 40
    assert [path for path in files if suppression in path.read_text(encoding="utf-8")] == []
