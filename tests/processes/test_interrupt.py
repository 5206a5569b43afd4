"""Ctrl-C in `mnistkit train`, and going on afterwards."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from mnistkit.checkpoint import read_checkpoint
from mnistkit.cli import main

pytestmark = pytest.mark.processes


def test_ctrl_c_saves_says_how_to_go_on_and_the_resumed_run_is_the_uninterrupted_one(
    start, train_command, tmp_path, capsys
):
    command = [*train_command, "--epochs", "12"]
    process = start(command)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()

    assert first.startswith("epoch 1/12  ")
    assert process.returncode == 130
    last = tmp_path / "run" / "last.safetensors"
    assert errors.splitlines()[-3:] == [
        f"stopped after {read_checkpoint(last).training['step']} steps: interrupted",
        f"saved {last}; the same command with --resume goes on from there",
        "mnistkit: interrupted",
    ]
    assert output == ""
    assert 13 <= read_checkpoint(last).training["step"] < 12 * 13

    assert main([*command, "--resume", "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert main([*command, "--output", str(tmp_path / "straight"), "--json"]) == 0
    straight = json.loads(capsys.readouterr().out)
    assert len(resumed["history"]) == 12
    assert resumed["history"] == straight["history"]
    assert resumed["test"] == straight["test"]


def test_what_a_cluster_and_a_closed_terminal_send_save_the_run_too_and_it_resumes_in_the_same_bits(
    start, train_command, tmp_path, capsys
):
    command = [*train_command, "--epochs", "8"]
    last = tmp_path / "run" / "last.safetensors"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        process = start([*command, "--resume"])
        process.stderr.readline()
        process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode == code, errors
        assert errors.endswith(f"saved {last}; the same command with --resume goes on from there\n")
    assert main([*command, "--resume"]) == 0
    assert main([*command, "--output", str(tmp_path / "straight")]) == 0
    resumed, straight = (read_checkpoint(tmp_path / run / "last.safetensors") for run in ("run", "straight"))
    assert resumed.training["step"] == straight.training["step"] == 8 * 13
    assert all(torch.equal(value, straight.weights[name]) for name, value in resumed.weights.items())


def test_ctrl_c_again_and_again_shows_no_traceback(start, train_command):
    process = start([*train_command, "--epochs", "20"])
    process.stderr.readline()
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    output, errors = process.communicate()
    # The one that comes when all is done already ends the process itself, which a shell calls 130 too.
    assert process.returncode in (130, -signal.SIGINT)
    assert (output, "Traceback" in errors, "KeyboardInterrupt" in errors) == ("", False, False), errors


INTERRUPT_AT_THE_END = """
import atexit, signal, sys
from mnistkit.cli import run

# What a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(signal.raise_signal, signal.SIGINT)
sys.argv[1:] = ["models"]
run()
"""


def test_ctrl_c_while_the_interpreter_ends_shows_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT_AT_THE_END], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert "lenet5" in done.stdout


PREDICT_AND_INTERRUPT = """
import signal
from mnistkit import Classifier, Predictor, create_model, load_mnist

test = load_mnist().test
classifier = Classifier(create_model("lenet1"), test.preprocessing)
for backend in ("torch", "onnx", "openvino"):
    predictors = [Predictor(classifier.on(backend=backend)) for _ in range(2)]
    while predictors:
        predictors[0].predict(test.images[0].numpy())
        del predictors[0]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print(backend, flush=True)
"""


def test_ctrl_c_interrupts_whatever_program_computes(forked):
    """OpenVINO left the thread that loaded it with a stack for signals that was gone."""
    done = forked.run("-c", PREDICT_AND_INTERRUPT)
    assert (done.returncode, done.stdout.split()) == (0, ["torch", "onnx", "openvino"]), done.stderr
