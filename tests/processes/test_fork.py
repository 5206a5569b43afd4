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
import os, warnings
import torch
from mnistkit import Predictor, load_mnist

torch.set_num_threads(2)
images = load_mnist().test.images[:64, 0].numpy()
predictor = Predictor(device="cpu")
here = [prediction.label for prediction in predictor.predict(images)]
warnings.simplefilter("ignore")  # from 3.12 on Python warns of every fork with threads
child = os.fork()
if child == 0:
    there = [prediction.label for prediction in predictor.predict(images)]
    os._exit(0 if there == here and torch.get_num_threads() == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), torch.get_num_threads())
"""


def test_a_child_of_a_program_that_predicted_predicts_too():
    done = subprocess.run(
        [sys.executable, "-c", PREDICT_IN_A_CHILD], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.returncode) == ("0 2\n", 0), done.stderr
