"""`mnistkit --help` answers at once because it imports nothing heavy: the structure is tested, not the time."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "numpy", "PIL", "safetensors", "tqdm", "mnistkit.training", "mnistkit.data"}

PROGRAM = """
import sys
from mnistkit.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(code, *sys.modules, file=sys.stderr)
"""


def start(*arguments):
    """What a command prints, its exit code, and the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=100, check=True
    )
    *_, last_line = done.stderr.splitlines()
    code, *modules = last_line.split()
    return done.stdout, int(code), set(modules)


@pytest.mark.processes
@pytest.mark.parametrize("command", ["", "train", "evaluate", "predict", "models", "datasets", "info"])
def test_help_is_answered_without_importing_anything_heavy(command):
    output, code, modules = start(*command.split(), "--help")
    assert code == 0
    assert output.startswith(f"usage: mnistkit {command}".rstrip())
    assert not HEAVY & modules


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["--version"], ["trian"], ["train", "--epochs", "many"]])
def test_the_version_and_a_misspelt_command_are_answered_without_importing_anything_heavy(arguments):
    _, code, modules = start(*arguments)
    assert code == (0 if arguments == ["--version"] else 2)
    assert not HEAVY & modules


@pytest.mark.processes
def test_a_heavy_import_would_be_noticed():
    _, code, modules = start("datasets")
    assert code == 0
    assert {"torch", "numpy", "mnistkit.data"} <= modules
