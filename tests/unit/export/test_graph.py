"""ONNX, torch and C: from the bytes of a frame to the classifier's own answers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mnistkit import Classifier, create_model, load_mnist
from mnistkit.calibration import Calibration
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError
from mnistkit.export import c_header
from mnistkit.models import list_models

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))
FLAT = Preprocessing(mean=(0.2,), std=(0.5,), geometry=(("crop", 20),), flat=True)


@pytest.fixture(scope="module")
def classifiers():
    """A network of images, and one of rows of the middle pixels; both with a temperature."""
    torch.manual_seed(0)
    cooled = Calibration(temperature=0.2)
    rows = create_model("mlp", image_size=20)
    return Classifier(create_model("lenet1"), MNIST, calibration=cooled), Classifier(rows, FLAT, calibration=cooled)


def frames_for(classifier, count=9):
    side = 20 if classifier.preprocessing.flat else 28
    return load_mnist().test.images[:count, :, :side, :side].numpy()


@pytest.mark.parametrize("number", [0, 1], ids=["images", "rows"])
@pytest.mark.parametrize(("ending", "tolerance"), [(".onnx", 1e-5), (".int8.onnx", 0.5)])
def test_onnx_takes_any_number_of_frames_as_they_are(classifiers, number, ending, tolerance, tmp_path):
    classifier, path = classifiers[number], tmp_path / f"net{ending}"
    classifier.export(path)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[0]) == ("frames", "tensor(uint8)", "batch")
    for count in (1, 9):
        frames = frames_for(classifier, count)
        logits, probabilities, labels = session.run(["logits", "probabilities", "labels"], {"frames": frames})
        np.testing.assert_allclose(logits, classifier.logits(frames), atol=tolerance)
        np.testing.assert_array_equal(labels, logits.argmax(axis=1))
        np.testing.assert_allclose(probabilities, classifier.calibration.probabilities(logits), atol=1e-5)
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(about["classes"]) == list(classifier.classes)
    assert json.loads(about["calibration"])["temperature"] == 0.2
    assert json.loads(about["preprocessing"]) == classifier.preprocessing.to_json()
    assert {"data", "figures"} <= json.loads(about["card"]).keys()


def test_torch_loads_a_program_without_this_library(classifiers, tmp_path):
    classifier = classifiers[0]
    classifier.export(tmp_path / "net.pt2")
    frames = frames_for(classifier)
    np.save(tmp_path / "frames.npy", frames)
    program = (
        "import numpy, sys, torch\n"
        "frames = torch.from_numpy(numpy.load('frames.npy'))\n"
        "logits, probabilities, labels = torch.export.load('net.pt2').module()(frames)\n"
        "assert 'mnistkit' not in sys.modules\n"
        "numpy.save('logits.npy', logits.detach().numpy())\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), classifier.logits(frames), atol=1e-5)


def test_int8_is_much_smaller(tmp_path):
    classifier = Classifier(create_model("lenet5"), MNIST)
    classifier.export(tmp_path / "whole.onnx")
    classifier.export(tmp_path / "small.int8.onnx")
    assert (tmp_path / "small.int8.onnx").stat().st_size < 0.45 * (tmp_path / "whole.onnx").stat().st_size


@pytest.mark.parametrize("name", list_models())
def test_every_model_makes_a_header(name):
    header = c_header(Classifier(create_model(name), MNIST))
    assert "predict(const uint8_t image[MNISTKIT_PIXELS], float probabilities[MNISTKIT_CLASSES])" in header
    assert "#define MNISTKIT_PIXELS 784\n" in header


def test_an_infinite_bound_is_none():
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Hardtanh(0, float("inf")))
    header = c_header(Classifier(network, MNIST))
    assert "fmaxf(" in header
    assert "fminf(" not in header


def test_no_name_of_a_class_ends_a_comment_or_a_string():
    names = ('"', "*/ int x;", "\\", "??/", "é", "\n", "a", "b", "c", "d")
    header = c_header(Classifier(create_model("softmax_regression"), MNIST, names))
    assert '"\\042", "*/ int x;", "\\134", "\\077\\077/", "\\303\\251", "\\012", "a"' in header
    comment, _, rest = header.partition("*/")
    assert "int x" in comment
    assert rest.lstrip().startswith("#ifndef")


def test_a_layer_that_is_not_known_is_named(tmp_path):
    network = nn.Sequential(nn.Flatten(1, 2), nn.LSTM(28, 10))
    with pytest.raises(ConfigError, match=r"its layer '1' is of the kind LSTM"):
        Classifier(network, MNIST).export(tmp_path / "net.h")
    assert not list(tmp_path.iterdir())


def test_more_outputs_than_classes_are_refused():
    with pytest.raises(ConfigError, match="10 outputs for 2 classes"):
        c_header(Classifier(create_model("softmax_regression"), MNIST, ("a", "b")))


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs a C compiler")
def test_the_header_compiles_and_computes_the_same(classifiers, tmp_path):
    for classifier in classifiers:
        frames = frames_for(classifier)
        (tmp_path / "net.h").write_text(c_header(classifier), encoding="utf-8")
        shutil.copy(Path(__file__).with_name("main.c"), tmp_path)
        flags = ["-std=c99", "-Wall", "-Werror", "-O1"]
        subprocess.run(["gcc", *flags, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
        answer = subprocess.run([tmp_path / "main"], input=frames.tobytes(), stdout=subprocess.PIPE, check=True).stdout
        numbers = np.frombuffer(answer, np.float32).reshape(len(frames), 2, -1)
        np.testing.assert_allclose(numbers[:, 0], classifier.logits(frames), atol=1e-5)
        np.testing.assert_allclose(numbers[:, 1], classifier.probabilities(frames), atol=1e-5)
