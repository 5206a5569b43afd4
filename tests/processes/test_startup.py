"""What is not needed is not imported, so that nothing waits for it: the structure is tested, not the time."""

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

# Trained, saved, resumed, clipped, evaluated and read with, under every optimizer that has a name.
TRAINING = """
import sys
from pathlib import Path
from mnistkit import Checkpoint, Predictor, Trainer, create_model, load_mnist
from mnistkit.training import list_optimizers
train, validation, _ = load_mnist()
for name in list_optimizers():
    for epochs in (1, 2):
        folder = Path(sys.argv[1]) / name
        trainer = Trainer(
            create_model("mlp", hidden=(4,)), optimizer=name, clip_norm=1.0, callbacks=[Checkpoint(folder)], progress=False
        )
        trainer.fit(train[:64], validation[:64], epochs=epochs, resume=folder / "last.safetensors" if epochs == 2 else None)
    trainer.optimizer.zero_grad()
Predictor.from_checkpoint(folder / "best.safetensors").predict(validation.images[0, 0])
print(*sys.modules)
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
@pytest.mark.parametrize("command", ["", "train", "evaluate", "predict", "models", "datasets", "recipes", "info"])
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


@pytest.mark.processes
def test_training_and_reading_import_neither_torchs_compiler_nor_torchvision(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(tmp_path)], capture_output=True, text=True, timeout=100, check=True
    )
    modules = set(done.stdout.split())
    assert "torch.optim" in modules
    assert not {"torch._dynamo", "sympy", "torchvision"} & modules
