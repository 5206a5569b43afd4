"""A run killed at any moment and resumed ends in the very bits of a run that was never interrupted."""

import csv
import json
import random
import runpy
import shutil
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from mnistkit import Callback

SCRIPT = Path(__file__).with_name("train_run.py")


def read(process, word):
    """Wait for the script's next line, which begins with this word."""
    line = process.stdout.readline()
    assert line.startswith(word), f"{line!r} {process.communicate()}"


def kill_in_training(forked, folder, every_steps, chance):
    """Kill the run some milliseconds after some step."""
    with forked.start(SCRIPT, folder, every_steps) as process:
        read(process, "begun")
        for _ in range(chance.randint(1, 4)):
            read(process, "step")
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        assert process.wait() == -9


def kill_in_write(forked, folder, every_steps, chance):
    """Kill the run while it writes a file, usually a checkpoint, which is left half written."""
    assert forked.run(SCRIPT, folder, every_steps, chance.randint(2, 5)).returncode == -9
    assert list(folder.glob(".*.tmp"))


def without_clocks(tree):
    """The tree without the seconds in it, nor the empty states of the callbacks that only watch."""
    if isinstance(tree, list):
        return [without_clocks(item) for item in tree]
    if isinstance(tree, dict):
        return {name: without_clocks(value) for name, value in tree.items() if name != "seconds" and value != {}}
    return tree


def contents(path):
    """Every tensor's bytes and everything else that a file holds, but for the clock and the checksum over it."""
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
        tree = json.loads(file.metadata()["mnistkit"])
    tree.pop("checksum")
    return {name: (array.dtype, array.tobytes()) for name, array in tensors.items()}, without_clocks(tree)


def rows(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def assert_same_run(folder, reference):
    for name in ("epoch-000004", "last", "best"):
        tensors, tree = contents(folder / f"{name}.safetensors")
        expected_tensors, expected_tree = contents(reference / f"{name}.safetensors")
        assert tree == expected_tree
        assert [key for key in expected_tensors if tensors[key] != expected_tensors[key]] == []
    assert rows(folder) == rows(reference)
    assert files(folder) == files(reference)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


class KeepCopies(Callback):
    """Keeps the checkpoints that a kill at an epoch's end would leave, which are soon overwritten."""

    def __init__(self, folder):
        self.folder = folder

    def on_step_start(self, trainer):
        if trainer.state.step in (9, 10, 11):
            self._keep(f"before-step-{trainer.state.step + 1}")

    def on_eval_start(self, trainer):
        if trainer.state.step == 10:
            self._keep("before-the-evaluation")

    def _keep(self, name):
        (self.folder / name).mkdir()
        shutil.copy(self.folder / "last.safetensors", self.folder / name)


@pytest.fixture(scope="module")
def run():
    return runpy.run_path(str(SCRIPT))["run"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(folder, 1, KeepCopies(folder))
    return folder


@pytest.mark.processes
@pytest.mark.parametrize("every_steps", [1, 2])
def test_a_run_killed_at_five_random_moments_ends_in_the_same_bits(uninterrupted, forked, tmp_path, every_steps):
    chance = random.Random(every_steps)
    for kill in [*[kill_in_training] * 4, kill_in_write]:
        kill(forked, tmp_path, every_steps, chance)
    done = forked.run(SCRIPT, tmp_path, every_steps)
    assert done.returncode == 0, done.stderr
    assert 0 < done.stdout.count("step") < 50
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("moment", ["before-step-10", "before-the-evaluation", "before-step-11", "before-step-12"])
def test_a_run_killed_around_an_epoch_s_end_ends_in_the_same_bits(uninterrupted, run, moment):
    folder = uninterrupted / moment
    run(folder, 100, resume=folder / "last.safetensors")
    assert_same_run(folder, uninterrupted)


def test_the_run_holds_a_state_of_every_kind(uninterrupted):
    tensors, tree = contents(uninterrupted / "last.safetensors")
    training = tree["training"]
    assert (training["epoch"], training["step"]) == (5, 50)
    assert training["callbacks"].keys() == {
        "EMA",
        "EarlyStopping",
        "KernelRecorder",
        "PeriodicEvaluation",
        "CSVLogger",
        "Checkpoint",
    }
    assert training["trainer"]["seen"] == 50 * 30
    assert {"training/trainer/teacher/conv.0.weight", "training/trainer/memory/0"} <= tensors.keys()
    assert {"model/conv.0.weight", "training/model/conv.0.weight", "training/generators/cpu"} <= tensors.keys()
    assert any(name.startswith("training/optimizers/") for name in tensors)
