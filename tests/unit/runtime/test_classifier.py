"""A classifier that ONNX Runtime computes: from a file, in threads and processes, and what it refuses."""

import json
import multiprocessing
import os
import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnistkit import Predictor, evaluate
from mnistkit.calibration import Calibration
from mnistkit.errors import CheckpointError, CheckpointFormatError, ConfigError, DataError
from mnistkit.imaging import Preprocessing
from mnistkit.runtime import OnnxClassifier, OnnxFinder, OnnxLineReader

ABOUT = {
    "classes": list("0123456789"),
    "preprocessing": Preprocessing((0.0,), (1.0,)).to_json(),
    "calibration": Calibration(2.0, acceptance=((0.98, -50.0),)).to_json(),
    "card": {"licence": "MIT", "limits": "<b>"},
}
WEIGHTS = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32)


def write(path, about=ABOUT):
    """A linear model on bytes, in the form of an exported one."""
    nodes = [
        helper.make_node("Flatten", ["frames"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["numbers", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for name, value in about.items():
        model.metadata_props.add(key=name, value=value if isinstance(value, str) else json.dumps(value))
    onnx.save(model, path)
    return path


@pytest.fixture
def linear(tmp_path):
    return OnnxClassifier.load(write(tmp_path / "linear.onnx"))


@pytest.fixture
def frames(mnist):
    return mnist.test.images[:600].numpy()


def expected(frames):
    return frames.reshape(len(frames), -1).astype(np.float32) @ WEIGHTS


def test_a_file_gives_the_logits_and_all_that_is_needed_to_read_them(linear, frames):
    assert linear.classes == tuple("0123456789")
    assert linear.calibration.temperature == 2.0
    assert linear.card["licence"] == "MIT"
    np.testing.assert_allclose(linear.logits(frames), expected(frames), rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(linear.logits(frames[:, 0]), linear.logits(frames, batch_size=7), rtol=1e-4, atol=0.1)
    probabilities = linear.probabilities(frames)
    np.testing.assert_allclose(probabilities, linear.calibration.probabilities(linear.logits(frames)))


def test_a_predictor_reads_pictures_with_it(linear, mnist):
    predictor = Predictor(linear)
    prediction = predictor.predict(255 - mnist.test.images[0, 0].numpy(), coverage=0.98)
    assert prediction.label == expected(prediction.frame[None]).argmax()
    assert "&lt;b&gt;" in predictor._repr_html_()


def test_it_goes_to_other_processes(linear, frames):
    again = pickle.loads(pickle.dumps(linear))
    np.testing.assert_array_equal(again.logits(frames), linear.logits(frames))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_goes_on_working_after_a_fork(linear, frames):
    labels = linear.logits(frames).argmax(1).tolist()
    context = multiprocessing.get_context("fork")
    parent, child = context.Pipe()
    process = context.Process(target=lambda: child.send(linear.logits(frames).argmax(1).tolist()))
    process.start()
    assert parent.poll(60)
    assert parent.recv() == labels
    process.join()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*none\.onnx: No such file"):
        OnnxClassifier.load(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" * 50])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(CheckpointFormatError, match=r"broken\.onnx"):
        OnnxClassifier.load(tmp_path / "broken.onnx")


@pytest.mark.parametrize(
    "change",
    [{"classes": "5"}, {"calibration": "{}"}, {"preprocessing": '{"mean": 1}'}, {"card": "[" * 100_000}, {"classes": "{"}],
    ids=str,
)  # fmt: skip
def test_a_model_that_does_not_say_how_it_is_used_is_refused(tmp_path, change):
    with pytest.raises(CheckpointFormatError, match=r"expected a file that Classifier\.export"):
        OnnxClassifier.load(write(tmp_path / "bare.onnx", ABOUT | change))


def test_a_bare_network_is_refused(tmp_path):
    with pytest.raises(CheckpointFormatError, match="KeyError: 'classes'"):
        OnnxClassifier.load(write(tmp_path / "bare.onnx", {}))


@pytest.mark.parametrize(
    "frames", [np.zeros((1, 28, 28), np.float32), np.zeros((1, 20, 28), np.uint8), np.zeros((0, 28, 28), np.uint8)]
)
def test_frames_of_another_kind_are_refused(linear, frames):
    with pytest.raises(DataError, match="expected at least one uint8 image"):
        linear.logits(frames)


def test_mnistkit_says_where_the_weights_as_onnx_are():
    for pretrained in (OnnxClassifier.pretrained, OnnxFinder.pretrained, OnnxLineReader.pretrained):
        with pytest.raises(ConfigError, match=r"in mnistkit-runtime only; here Classifier\.pretrained"):
            pretrained()
    with pytest.raises(ConfigError, match="there are no weights 'faces'"):
        OnnxClassifier.pretrained("faces")


def test_what_needs_torch_refuses_it(linear, mnist):
    with pytest.raises(ConfigError, match="got a OnnxClassifier as the model"):
        evaluate(Predictor(linear), mnist.test[:10])
