"""A program that loads its model and then forks, as `gunicorn --preload` and `multiprocessing` on Linux do."""

import os

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]

PREDICT_IN_A_CHILD = """
import os, pickle, signal, sys, warnings
import torch
from mnistkit import Classifier, Predictor, load_mnist
from mnistkit.errors import ConfigError

torch.set_num_threads(2)
images = load_mnist().test.images[:64, 0].numpy()
classifier = Classifier.pretrained(device="cpu")
warnings.simplefilter("ignore")  # from 3.12 on Python warns of every fork with threads
for backend in ("torch", "onnx", "openvino"):
    predictor = Predictor(classifier.on(backend=backend))
    here = [prediction.label for prediction in predictor.predict(images)]
    child = os.fork()
    if child == 0:
        signal.alarm(200)  # one that hangs ends, and is seen
        there = [prediction.label for prediction in predictor.predict(images)]
        if backend == "openvino":
            try:
                pickle.loads(pickle.dumps(predictor))
            except ConfigError as error:
                print(error, flush=True)
        # It ends as a program does, which takes down what was compiled: that must not wait for threads of its parent's. With
        # OpenVINO it would abort there, as the page on serving says.
        end = os._exit if backend == "openvino" else sys.exit
        end(0 if there == here and torch.get_num_threads() == 1 else 1)
    print(backend, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), torch.get_num_threads(), flush=True)
"""


def test_a_child_of_a_program_that_predicted_predicts_too(forked):
    done = forked.run("-c", PREDICT_IN_A_CHILD, timeout=600)
    torch, onnx, said, openvino = done.stdout.splitlines()
    assert ([torch, onnx, openvino], done.returncode) == (["torch 0 2", "onnx 0 2", "openvino 0 2"], 0), done.stderr
    # What it cannot do there, it says, with what to do.
    assert "get_context('spawn')" in said
