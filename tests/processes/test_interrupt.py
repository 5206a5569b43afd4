"""Ctrl-C in `mnistkit train`, and going on afterwards."""

import json
import signal

import pytest

from mnistkit.checkpoint import read_checkpoint
from mnistkit.cli import main

pytestmark = pytest.mark.processes


def test_ctrl_c_saves_says_how_to_go_on_and_the_resumed_run_is_the_uninterrupted_one(
    start, train_command, tmp_path, capsys
):
    command = [*train_command, "--epochs", "20"]
    process = start(command)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=100)

    assert first.startswith("epoch 1/20  ")
    assert process.returncode == 130
    last = tmp_path / "run" / "last.safetensors"
    assert errors.splitlines()[-3:] == [
        f"stopped after {read_checkpoint(last).training['step']} steps: interrupted",
        f"saved {last}; the same command with --resume goes on from there",
        "mnistkit: interrupted",
    ]
    assert output == ""
    assert 13 <= read_checkpoint(last).training["step"] < 20 * 13

    assert main([*command, "--resume", "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert main([*command, "--output", str(tmp_path / "straight"), "--json"]) == 0
    straight = json.loads(capsys.readouterr().out)
    assert len(resumed["history"]) == 20
    assert resumed["history"] == straight["history"]
    assert resumed["test"] == straight["test"]
