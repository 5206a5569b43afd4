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

from mnistkit import Classifier, Predictor, load_mnist
from mnistkit.backends import CompiledModel, compile_model, export_onnx
from mnistkit.errors import ConfigError, MissingExtraError
from mnistkit.models import create_model

BACKENDS = ["onnx", "openvino"]
MODELS = ["lenet5", "mlp", "handwriting_cnn"]


@pytest.fixture(scope="module")
def made():
    """Each model with weights of its own, and what the programs made of it."""

    def make(name):
        torch.manual_seed(0)
        model = create_model(name).eval()
        # Batch norm's first statistics are those that change nothing.
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        return model, {backend: compile_model(model, backend, (1, 28, 28)) for backend in BACKENDS}

    return {name: make(name) for name in MODELS}


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.test.preprocessing.normalize(mnist.test.images[:300])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 300])
def test_another_program_computes_the_same_for_any_number_of_images(made, images, name, backend, count):
    model, compiled = made[name]
    with torch.inference_mode():
        expected = model(images[:count])
        logits = compiled[backend](images[:count])
    assert isinstance(compiled[backend], CompiledModel)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_not_overwritten_by_the_next_ones(made, images, backend):
    compiled = made["lenet5"][1][backend]
    first = compiled(images[:5])
    kept = first.clone()
    compiled(images[5:10])
    assert torch.equal(first, kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_of_any_layout_and_type_are_taken(made, images, backend):
    compiled = made["lenet5"][1][backend]
    expected = compiled(images[:4])
    other = images[:4].transpose(2, 3).contiguous().transpose(2, 3).double()
    torch.testing.assert_close(compiled(other), expected)


def test_torch_itself_is_the_model_itself():
    model = create_model("lenet5")
    assert compile_model(model, "torch", (1, 28, 28)) is model


def test_the_model_that_is_compiled_stays_as_it_was():
    model = create_model("lenet5", dropout=0.5).train()
    compile_model(model, "onnx", (1, 28, 28))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_predictor_reads_with_another_program_explains_and_saves_with_the_model(tmp_path, mnist, backend):
    model, preprocessing = create_model("lenet5"), mnist.test.preprocessing
    Classifier(model, preprocessing).save(tmp_path / "model.safetensors")
    plain = Predictor.from_checkpoint(tmp_path / "model.safetensors")
    other = Predictor.from_checkpoint(tmp_path / "model.safetensors", backend=backend)
    pictures = mnist.test.images[:20]
    for one, two in zip(plain.predict(pictures), other.predict(pictures), strict=True):
        assert two.label == one.label
        assert two.probabilities == pytest.approx(one.probabilities, abs=1e-5)
    assert other.explain(pictures[0]).prediction.label == plain.predict(pictures[0]).label
    other.classifier.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


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
        compile_model(create_model("lenet5"), backend, (1, 28, 28))


def test_an_exported_file_is_complete_and_names_what_goes_in_and_out(tmp_path, images):
    model = create_model("lenet5").eval()
    export_onnx(model, tmp_path / "lenet5.onnx", (1, 28, 28))
    onnx.checker.check_model(onnx.load(tmp_path / "lenet5.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "lenet5.onnx")
    logits = session.run(["logits"], {"images": images[:7].numpy()})[0]
    np.testing.assert_allclose(logits, model(images[:7]).detach().numpy(), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["lenet5.onnx"]


def test_a_model_without_gradients_says_so(made, images):
    logits = made["lenet5"][1]["onnx"](images[:2].clone().requires_grad_())
    assert not logits.requires_grad


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_threads_that_share_a_predictor_get_each_its_own_answers(backend):
    images = load_mnist().test.images[:40, 0].numpy()
    classifier = Predictor(device="cpu", backend=backend).classifier
    alone = classifier.logits(images)

    def one_by_one(_):
        return np.concatenate([classifier.logits(image[None]) for image in images])

    with ThreadPoolExecutor(16) as pool:
        for together in pool.map(one_by_one, range(16)):
            np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_a_predictor_is_pickled_and_a_classifier_copied_and_both_answer_as_before(backend):
    image = load_mnist().test.images[0, 0].numpy()
    predictor = Predictor(device="cpu", backend=backend)
    there = pickle.loads(pickle.dumps(predictor))
    copied = copy.deepcopy(predictor.classifier)
    assert (there.classifier.backend, copied.backend) == (backend, backend)
    for other in (there.classifier, copied):
        np.testing.assert_allclose(
            other.logits(image[None]), predictor.classifier.logits(image[None]), rtol=1e-4, atol=1e-3
        )
