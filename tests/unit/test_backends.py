"""Other programs compute what torch computes."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mnistkit import Classifier, Predictor
from mnistkit.backends import CompiledModel, compile_model, export_onnx
from mnistkit.errors import ConfigError, MissingExtraError
from mnistkit.models import create_model

BACKENDS = ["onnx", "openvino"]


@pytest.fixture(scope="module")
def made():
    """A model with layers of many kinds, and what the programs made of it, which takes them seconds."""
    torch.manual_seed(0)
    model = create_model("handwriting_cnn").eval()
    # Batch norm's first statistics are those that change nothing.
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return model, {backend: compile_model(model, backend, (1, 28, 28)) for backend in BACKENDS}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, mnist):
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    Classifier(create_model("lenet1"), mnist.test.preprocessing).save(path)
    return path


@pytest.fixture(scope="module")
def predictors(saved):
    """Of the same file, by backend."""
    return {
        backend: Predictor.from_checkpoint(saved, device="cpu", backend=backend) for backend in ["torch", *BACKENDS]
    }


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.test.preprocessing.normalize(mnist.test.images[:300])


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_program_computes_the_same_for_any_number_of_images(made, images, backend):
    model, compiled = made[0], made[1][backend]
    assert isinstance(compiled, CompiledModel)
    for count in (1, 2, 300):
        with torch.inference_mode():
            expected = model(images[:count])
            logits = compiled(images[:count])
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_not_overwritten_by_the_next_ones(made, images, backend):
    compiled = made[1][backend]
    first = compiled(images[:5])
    kept = first.clone()
    compiled(images[5:10])
    assert torch.equal(first, kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_of_any_layout_and_type_are_taken(made, images, backend):
    compiled = made[1][backend]
    expected = compiled(images[:4])
    other = images[:4].transpose(2, 3).contiguous().transpose(2, 3).double()
    torch.testing.assert_close(compiled(other), expected)


def test_torch_itself_needs_nothing_made():
    assert compile_model(create_model("lenet5"), "torch", (1, 28, 28)) is None


def test_the_model_that_is_compiled_stays_as_it_was():
    model = create_model("mlp", hidden=(4,), dropout=0.5).train()
    compile_model(model, "onnx", (1, 28, 28))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_predictor_reads_with_another_program_explains_and_saves_with_the_model(
    tmp_path, mnist, saved, predictors, backend
):
    plain, other = predictors["torch"], predictors[backend]
    pictures = mnist.test.images[:20]
    for one, two in zip(plain.predict(pictures), other.predict(pictures), strict=True):
        assert two.label == one.label
        assert two.probabilities == pytest.approx(one.probabilities, abs=1e-5)
    assert other.explain(pictures[0]).prediction.label == plain.predict(pictures[0]).label
    other.classifier.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_an_unknown_backend_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError) as error:
        compile_model(create_model("lenet5"), "onxx", (1, 28, 28))
    assert str(error.value) == "unknown backend 'onxx'; did you mean 'onnx'? Available: onnx, openvino, torch"


@pytest.mark.parametrize(
    ("backend", "package", "message"),
    [
        ("onnx", "onnxruntime", r"backend='onnx' needs onnxruntime.*pip install 'mnistkit\[onnx\]'"),
        ("onnx", "onnxscript", r"export to ONNX needs onnxscript.*pip install 'mnistkit\[onnx\]'"),
        ("openvino", "openvino", r"backend='openvino' needs openvino.*pip install 'mnistkit\[openvino\]'"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, backend, package, message):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=message):
        compile_model(create_model("mlp", hidden=(4,)), backend, (1, 28, 28))


def test_an_exported_file_is_complete_and_names_what_goes_in_and_out(tmp_path, images):
    model = create_model("lenet5").eval()
    export_onnx(model, tmp_path / "lenet5.onnx", (1, 28, 28))
    onnx.checker.check_model(onnx.load(tmp_path / "lenet5.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "lenet5.onnx")
    logits = session.run(["logits"], {"images": images[:7].numpy()})[0]
    np.testing.assert_allclose(logits, model(images[:7]).detach().numpy(), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["lenet5.onnx"]


def test_a_model_without_gradients_says_so(made, images):
    logits = made[1]["onnx"](images[:2].clone().requires_grad_())
    assert not logits.requires_grad


@pytest.mark.parametrize("backend", ["torch", *BACKENDS])
def test_threads_that_share_a_predictor_get_each_its_own_answers(mnist, predictors, backend):
    images = mnist.test.images[:40, 0].numpy()
    classifier = predictors[backend].classifier
    alone = classifier.logits(images)

    def one_by_one(_):
        return np.concatenate([classifier.logits(image[None]) for image in images])

    with ThreadPoolExecutor(16) as pool:
        for together in pool.map(one_by_one, range(16)):
            np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("backend", "copied"),
    [(backend, lambda predictor: pickle.loads(pickle.dumps(predictor))) for backend in ["torch", *BACKENDS]]
    + [("onnx", copy.deepcopy)],
    ids=["torch", "onnx", "openvino", "onnx, in this process"],
)
def test_a_predictor_is_pickled_and_copied_and_answers_as_before(mnist, predictors, backend, copied):
    images, classifier = mnist.test.images[:3, 0].numpy(), predictors[backend].classifier
    other = copied(predictors[backend]).classifier
    assert other.backend == backend
    np.testing.assert_allclose(other.logits(images), classifier.logits(images), rtol=1e-4, atol=1e-3)
