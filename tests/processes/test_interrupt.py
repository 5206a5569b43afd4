"""Ctrl-C in `mnistkit train`, and going on afterwards."""

import json
import os
import signal
import subprocess
import sys

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


PREDICT_AND_INTERRUPT = """
import signal, sys
from mnistkit import Predictor, load_mnist

image = load_mnist().test.images[0].numpy()
predictors = [Predictor(backend=sys.argv[1]) for _ in range(2)]
while predictors:
    predictors[0].predict(image)
    del predictors[0]
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_ctrl_c_interrupts_whatever_program_computes(backend):
    """OpenVINO left the thread that loaded it with a stack for signals that was gone."""
    done = subprocess.run(
        [sys.executable, "-c", PREDICT_AND_INTERRUPT, backend],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
