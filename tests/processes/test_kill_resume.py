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
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors import safe_open

from mnistkit import Callback

SCRIPT = Path(__file__).with_name("train_run.py")
KILLS = 10


def start(folder, every_steps):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), str(every_steps)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Whatever happens, no test waits for ever.
    watchdog = threading.Timer(100, process.kill)
    watchdog.daemon = True
    watchdog.start()
    return process, watchdog


def finish(folder, every_steps):
    process, watchdog = start(folder, every_steps)
    output, errors = process.communicate()
    watchdog.cancel()
    assert output.endswith("finished\n"), errors


def kill_in_training(folder, every_steps, chance):
    """Start the run, let it train for some steps, kill it some milliseconds later; says whether that hit a write."""
    process, watchdog = start(folder, every_steps)
    for expected in ["begun", *range(chance.randint(1, 5))]:
        line = process.stdout.readline()
        assert line, f"the run ended by itself after {expected}: {process.stderr.read()}"
    time.sleep(chance.uniform(0, 0.03))
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    watchdog.cancel()
    assert process.returncode == -signal.SIGKILL
    assert "finished" not in output
    return any(folder.glob(".*.tmp"))


def killed_again_and_again(folder, every_steps):
    chance = random.Random(every_steps)
    in_writes = [kill_in_training(folder, every_steps, chance) for _ in range(KILLS)]
    finish(folder, every_steps)
    return sum(in_writes)


def without_clocks(tree):
    if isinstance(tree, list):
        return [without_clocks(item) for item in tree]
    if isinstance(tree, dict):
        return {name: without_clocks(value) for name, value in tree.items() if name != "seconds"}
    return tree


def contents(path):
    """Every tensor's bytes and everything else that a file holds, but for the clock."""
    with safe_open(path, framework="np") as file:
        tensors = {name: (file.get_tensor(name).dtype, file.get_tensor(name).tobytes()) for name in file.keys()}  # noqa: SIM118
        return tensors, without_clocks(json.loads(file.metadata()["mnistkit"]))


def assert_same_run(folder, reference):
    for name in ("last", "epoch-000004", "epoch-000006"):
        tensors, tree = contents(folder / f"{name}.safetensors")
        expected_tensors, expected_tree = contents(reference / f"{name}.safetensors")
        assert [key for key in expected_tensors if tensors.get(key) != expected_tensors[key]] == []
        assert tensors.keys() == expected_tensors.keys()
        assert tree == expected_tree
    assert (folder / "best.safetensors").read_bytes() == (reference / "best.safetensors").read_bytes()
    assert rows(folder) == rows(reference)


def rows(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def lineages(tmp_path_factory):
    """One run left alone, and two that were killed ten times each: one saves after each step, the other every second."""
    folders = [tmp_path_factory.mktemp(name) for name in ("alone", "each-step", "every-second-step")]
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(finish, folders[0], 1)
        hits = list(pool.map(killed_again_and_again, folders[1:], (1, 2)))
    alone.result()
    return SimpleNamespace(alone=folders[0], killed=folders[1:], hits=hits)


@pytest.mark.processes
def test_a_run_killed_at_20_random_moments_ends_in_the_same_bits(lineages):
    for folder in lineages.killed:
        assert_same_run(folder, lineages.alone)


@pytest.mark.processes
def test_some_kills_hit_the_writing_of_a_checkpoint(lineages):
    assert sum(lineages.hits) > 0


@pytest.mark.processes
def test_what_a_kill_left_half_written_is_gone_at_the_end(lineages):
    for folder in lineages.killed:
        assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in lineages.alone.iterdir())


@pytest.mark.processes
def test_the_run_trains_with_a_state_of_every_kind(lineages):
    tensors, tree = contents(lineages.alone / "last.safetensors")
    training = tree["training"]
    assert (training["epoch"], training["step"]) == (6, 60)
    assert training["callbacks"].keys() >= {"EMA", "EarlyStopping", "KernelRecorder", "PeriodicEvaluation", "Checkpoint"}
    assert {"model/conv.0.weight", "training/model/conv.0.weight"} <= tensors.keys()
    assert any(name.startswith("training/optimizers/") for name in tensors)


class KeepEach(Callback):
    """Keeps a copy of the newest checkpoint, as a kill in the step after it would leave it."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = []

    def on_step_start(self, trainer):
        last = self.folder / "last.safetensors"
        if last.exists():
            self.kept.append(self.folder / f"kept-{len(self.kept)}")
            shutil.copy(last, self.kept[-1])
