"""A run killed at any moment and resumed ends in the very bits of a run that was never interrupted."""

import csv
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors import safe_open

from mnistkit import Callback

SCRIPT = Path(__file__).with_name("train_run.py")


@contextmanager
def script(*arguments):
    """The script in a process of its own, ended if it hangs."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    try:
        with process:
            yield process
    finally:
        watchdog.cancel()


def read(process, word):
    """The number in the script's next line, which begins with this word."""
    line = process.stdout.readline()
    if not line.startswith(word):
        process.kill()
        pytest.fail(f"{line!r} {process.stderr.read()}")
    return int(line.removeprefix(word))


def kill_in_training(process, folder, every_steps, chance):
    """Kill the run some milliseconds after some step."""
    print(folder, every_steps, file=process.stdin, flush=True)
    pid = read(process, "begun")
    for _ in range(chance.randint(1, 4)):
        read(process, "step")
    time.sleep(chance.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    assert last_line(process) == "ended -9\n"


def kill_in_write(process, folder, every_steps, chance):
    """Kill the run while it writes a file, usually a checkpoint, which is left half written."""
    print(folder, every_steps, chance.randint(2, 5), file=process.stdin, flush=True)
    assert last_line(process) == "ended -9\n"
    assert list(folder.glob(".*.tmp"))


def last_line(process):
    return next(line for line in process.stdout if line.startswith("ended"))


def killed_five_times(folder, every_steps):
    """Resumed by forked processes, and at last by a new interpreter; returns the steps of that."""
    chance = random.Random(every_steps)
    with script() as process:
        for kill in [*[kill_in_training] * 4, kill_in_write]:
            kill(process, folder, every_steps, chance)
        process.stdin.close()
    with script(folder, every_steps) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output.count("step")


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
def test_runs_killed_at_ten_random_moments_end_in_the_same_bits(uninterrupted, tmp_path):
    folders = [tmp_path / "saved-each-step", tmp_path / "saved-every-second-step"]
    with ThreadPoolExecutor() as pool:
        steps_at_last = list(pool.map(killed_five_times, folders, (1, 2)))
    assert all(0 < steps < 50 for steps in steps_at_last)
    for folder in folders:
        assert_same_run(folder, uninterrupted)


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
