"""A program that loads its model and then forks, as `gunicorn --preload` and `multiprocessing` on Linux do."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]

PREDICT_IN_A_CHILD = """
import os, pickle, signal, sys, warnings
import torch
from mnistkit import Predictor, load_mnist
from mnistkit.errors import ConfigError

torch.set_num_threads(2)
images = load_mnist().test.images[:64, 0].numpy()
predictor = Predictor(device="cpu", backend=sys.argv[1])
here = [prediction.label for prediction in predictor.predict(images)]
warnings.simplefilter("ignore")  # from 3.12 on Python warns of every fork with threads
child = os.fork()
if child == 0:
    signal.alarm(60)  # one that hangs ends, and is seen
    there = [prediction.label for prediction in predictor.predict(images)]
    if sys.argv[1] == "openvino":
        try:
            pickle.loads(pickle.dumps(predictor))
        except ConfigError as error:
            print(error, flush=True)
    os._exit(0 if there == here and torch.get_num_threads() == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), torch.get_num_threads())
"""


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_child_of_a_program_that_predicted_predicts_too(backend):
    done = subprocess.run(
        [sys.executable, "-c", PREDICT_IN_A_CHILD, backend], capture_output=True, text=True, check=False, timeout=300
    )
    *said, last = done.stdout.splitlines()
    assert (last, done.returncode) == ("0 2", 0), done.stderr
    # What it cannot do there, it says, with what to do.
    assert ["get_context('spawn')" in line for line in said] == [True] * (backend == "openvino")
