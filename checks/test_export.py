"""What is exported answers as the library does, for all 10,000 test images; in int8 for nearly all."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from mnistkit import Classifier, load_mnist
from mnistkit.recipes import get_recipe

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs Debian's gcc, which .ci/run installs")

MAIN = Path(__file__).parents[1] / "tests" / "unit" / "export" / "main.c"


@pytest.fixture(scope="module")
def frames():
    return load_mnist().test.images.numpy()


@pytest.fixture(scope="module")
def small():
    """A net whose weights and program take less than 64 kB, trained for a moment."""
    splits = load_mnist()
    part = splits._replace(train=splits.train[:12000], validation=splits.validation[:0])
    return replace(get_recipe("t3"), model="lenet1", epochs=1).run(data=part, progress=False).classifier


@pytest.fixture(scope="module", params=["small", "handwriting"])
def classifier(request):
    return request.getfixturevalue("small") if request.param == "small" else Classifier.pretrained(device="cpu")


@pytest.fixture(scope="module")
def expected(classifier, frames):
    """What the library says of all frames."""
    return classifier.logits(frames)


def test_onnx_gives_all_labels(classifier, frames, expected, tmp_path):
    classifier.export(tmp_path / "net.onnx")
    logits, probabilities, labels = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"frames": frames})
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_array_equal(labels, expected.argmax(axis=1))
    np.testing.assert_allclose(probabilities, classifier.calibration.probabilities(expected), atol=1e-4)


def test_the_program_of_torch_gives_all_labels(classifier, frames, expected, tmp_path):
    classifier.export(tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2").module()
    with torch.inference_mode():
        labels = np.concatenate([program(part)[2].numpy() for part in torch.from_numpy(frames).split(500)])
    np.testing.assert_array_equal(labels, expected.argmax(axis=1))


def test_int8_gives_nearly_all(classifier, small, frames, expected, tmp_path):
    count = 10_000 if classifier is small else 2_000  # of the large one, which takes three times as long as in float
    classifier.export(tmp_path / "net.int8.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.int8.onnx")
    (labels,) = session.run(["labels"], {"frames": frames[:count]})
    assert (labels == expected[:count].argmax(axis=1)).mean() >= 0.99


def test_the_header_gives_all_labels_without_a_fault_that_sanitizers_see(small, frames, tmp_path):
    small.export(tmp_path / "net.h")
    shutil.copy(MAIN, tmp_path)
    strict = ["gcc", "-std=c99", "-Wall", "-Werror", "main.c", "-o", "main", "-lm"]
    for flags, count in (
        (["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], 500),
        (["-O2"], 10_000),
    ):
        subprocess.run([*strict, *flags], cwd=tmp_path, check=True)
        answer = subprocess.run([tmp_path / "main"], input=frames[:count].tobytes(), stdout=subprocess.PIPE, check=True)
        numbers = np.frombuffer(answer.stdout, np.float32).reshape(count, 2, 10)
        expected = small.logits(frames[:count])
        np.testing.assert_allclose(numbers[:, 0], expected, atol=1e-4)
        np.testing.assert_array_equal(numbers[:, 1].argmax(axis=1), expected.argmax(axis=1))
    sizes = subprocess.run(["size", "main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert sum(map(int, sizes.splitlines()[1].split()[:2])) < 64 * 1024
