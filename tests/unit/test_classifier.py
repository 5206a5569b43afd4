"""A trained classifier is one value: loaded, calibrated, saved and judged, nothing of it is lost or mistaken."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from mnistkit import Augment, Checkpoint, Classifier, Predictor, Trainer, cli, create_model, evaluate
from mnistkit.calibration import Calibration, expected_calibration_error
from mnistkit.card import Card
from mnistkit.data import DigitDataset, Preprocessing, concatenate
from mnistkit.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigError,
    DataError,
    NonFiniteLossError,
    SplitLeakError,
)
from mnistkit.training import OneCycle

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))


@pytest.fixture(scope="module")
def trainer(mnist, tmp_path_factory):
    """After a short run, which left best.safetensors and last.safetensors."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    trainer = Trainer(
        create_model("lenet5"),
        lr=OneCycle(0.006),
        callbacks=[Checkpoint(folder, monitor="train_loss")],
        device="cpu",
        progress=False,
    )
    trainer.fit(mnist.train[:6000], epochs=1)
    trainer.folder = folder
    return trainer


@pytest.fixture(scope="module")
def trained(trainer):
    return trainer.classifier()


class Fixed(nn.Module):
    """Says the same of every image."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def same(one, other):
    """Whether two classifiers are the same in all that a file holds."""
    weights, others = one.network.state_dict(), other.network.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    for part in ("spec", "preprocessing", "classes", "calibration"):
        assert getattr(one, part) == getattr(other, part)
    assert dataclasses.replace(one.card, versions={}) == dataclasses.replace(other.card, versions={})
    return True


# ---- files -------------------------------------------------------------------------------------------------------------


def test_half_a_file_holds_the_same_but_for_rounded_weights(trained, mnist, tmp_path):
    trained.save(tmp_path / "whole.safetensors")
    trained.save(tmp_path / "half.safetensors", half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[0] - sizes[1] == pytest.approx(2 * 61_706, abs=1000)
    loaded = Classifier.load(tmp_path / "half.safetensors", device="cpu")
    for weight, rounded in zip(trained.network.parameters(), loaded.network.parameters(), strict=True):
        assert rounded.dtype == torch.float32
        assert torch.equal(rounded, weight.half().float())
    assert same(dataclasses.replace(loaded, network=trained.network), trained)
    images = mnist.test.images[:300]
    np.testing.assert_allclose(loaded.logits(images), trained.logits(images), atol=0.05)


def test_weights_too_large_for_half_a_file_are_refused(trained, tmp_path):
    large = copy.deepcopy(trained)
    with torch.no_grad():
        large.network.fc[0].bias[0] = 70_000.0
    large.save(tmp_path / "large.safetensors")
    with pytest.raises(CheckpointFormatError, match=r"NaN or infinity in fc\.0\.bias"):
        large.save(tmp_path / "half.safetensors", half=True)
    assert not (tmp_path / "half.safetensors").exists()


def test_load_calibrate_save_load_loses_nothing(trained, mnist, tmp_path):
    trained.save(tmp_path / "trained.safetensors")
    loaded = Classifier.load(tmp_path / "trained.safetensors", device="cpu")
    assert same(loaded, trained)
    calibrated = loaded.calibrate(mnist.validation[:2000])
    calibrated.save(tmp_path / "calibrated.safetensors")
    again = Classifier.load(tmp_path / "calibrated.safetensors", device="cpu")
    assert same(again, calibrated)
    assert again.calibration != trained.calibration
    assert again.card.data["fingerprint"] == mnist.train[:6000].fingerprint
    assert again.card.data["count"] == 6000
    assert again.card.figures["train_loss"] == trained.card.figures["train_loss"]
    assert again.card.recipe["batch_size"] == 64
    assert again.card.seconds > 0
    assert again.spec == create_and_spec()


def create_and_spec():
    return Classifier(create_model("lenet5"), MNIST).spec


def test_the_command_line_evaluates_and_describes_a_calibrated_file(trained, mnist, tmp_path, capsys):
    path = tmp_path / "calibrated.safetensors"
    calibrated = trained.calibrate(mnist.validation[:2000])
    calibrated.save(path)
    assert cli.main(["evaluate", str(path), "--json", "--split", "validation", "--device", "cpu"]) == 0
    shown = json.loads(capsys.readouterr().out)
    report = evaluate(calibrated, mnist.validation)
    assert shown["correct"] == report.score.correct
    assert shown["calibration_error"] == pytest.approx(report.reliability.error, abs=1e-6)
    assert cli.main(["info", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["data"]["name"] == "mnist"
    assert shown["recipe"]["seed"] == 0


@pytest.mark.parametrize("name", ["best", "last"])
def test_the_files_of_a_run_are_the_classifier_of_its_trainer(trainer, trained, name):
    loaded = Classifier.load(trainer.folder / f"{name}.safetensors", device="cpu")
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.network.parameters(), trained.network.parameters(), strict=True)
    )
    assert loaded.card.data == trained.card.data


def test_further_training_leaves_the_classifier_alone(small):
    trainer = Trainer(create_model("mlp"), device="cpu", progress=False)
    trainer.fit(small.train, epochs=1)
    classifier = trainer.classifier()
    before = classifier.logits(small.test)
    trainer.fit(small.train, epochs=1)
    assert np.array_equal(classifier.logits(small.test), before)
    assert not np.array_equal(trainer.classifier().logits(small.test), before)


def test_after_training_on_a_loader_nothing_says_how_images_are_prepared(small):
    pairs = torch.utils.data.TensorDataset(small.train.preprocessing.normalize(small.train.images), small.train.labels)
    trainer = Trainer(create_model("mlp"), device="cpu", progress=False)
    trainer.fit(torch.utils.data.DataLoader(pairs, batch_size=50), epochs=1)
    with pytest.raises(
        ConfigError, match=r"^nothing says how images were prepared .*Classifier\(trainer.inference_model"
    ):
        trainer.classifier()


def test_a_damaged_card_is_refused(trained, tmp_path):
    with pytest.raises(CheckpointFormatError, match="card is damaged"):
        Card.from_file(dataclasses.replace(content_of(trained, tmp_path), about={"seconds": "long"}))


def content_of(classifier, folder):
    from mnistkit.checkpoint import read_checkpoint

    classifier.save(folder / "content.safetensors")
    return read_checkpoint(folder / "content.safetensors")


def test_a_plain_state_dict_needs_a_model_and_preprocessing(trained, mnist, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(trained.network.state_dict(), path)
    with pytest.raises(CheckpointMismatchError, match="does not say how images were prepared"):
        Classifier.load(path, model=create_model("lenet5"))
    loaded = Classifier.load(path, model=create_model("lenet5"), preprocessing=trained.preprocessing, device="cpu")
    assert np.array_equal(loaded.logits(mnist.test[:20]), trained.logits(mnist.test[:20]))


# ---- a value -----------------------------------------------------------------------------------------------------------


def test_it_is_frozen_and_what_measures_it_gives_another(trained, mnist):
    with pytest.raises(dataclasses.FrozenInstanceError):
        trained.calibration = Calibration(2.0)
    before = trained.calibration
    assert trained.calibrate(mnist.validation[:500]) is not trained
    assert trained.calibration is before


def test_it_pickles_and_copies(trained, mnist):
    expected = trained.probabilities(mnist.test[:20])
    for other in (pickle.loads(pickle.dumps(trained)), copy.deepcopy(trained)):
        assert same(other, trained)
        assert other.backend == "torch"
        np.testing.assert_allclose(other.probabilities(mnist.test[:20]), expected, atol=1e-6)


@pytest.fixture(scope="module")
def elsewhere(trained):
    """The same, computed by other programs, which take seconds to compile it."""
    return {backend: trained.on(backend=backend) for backend in ("torch", "onnx", "openvino")}


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_another_program_computes_the_same_and_calibration_keeps_it(trained, elsewhere, mnist, backend):
    other = elsewhere[backend]
    assert (other.backend, trained.backend, other.on(backend="torch").backend) == (backend, "torch", "torch")
    np.testing.assert_allclose(other.logits(mnist.test[:50]), trained.logits(mnist.test[:50]), atol=1e-4)
    calibrated = other.calibrate(mnist.validation[:500])
    assert calibrated.program is other.program
    report = evaluate(Predictor(calibrated), mnist.validation[:500])
    np.testing.assert_allclose(report.probabilities, calibrated.probabilities(mnist.validation[:500]), atol=1e-6)


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_another_network_in_its_place_is_the_one_that_answers(trained, elsewhere, mnist, backend):
    torch.manual_seed(1)
    network = create_model("lenet5").eval()
    replaced = dataclasses.replace(elsewhere[backend], network=network)
    expected = dataclasses.replace(trained, network=network).logits(mnist.validation[:20])
    assert replaced.backend == backend
    np.testing.assert_allclose(replaced.logits(mnist.validation[:20]), expected, atol=1e-4)
    prediction = Predictor(replaced).predict(mnist.validation.images[0, 0].numpy())
    np.testing.assert_allclose(prediction.probabilities, replaced.probabilities(prediction.frame[None])[0], atol=1e-5)


def test_what_is_no_network_or_has_no_preprocessing_is_refused():
    with pytest.raises(ConfigError, match="got a str as the network, expected a torch module"):
        Classifier("lenet5", MNIST)
    with pytest.raises(ConfigError, match="a network needs the preprocessing of its training"):
        Classifier(create_model("lenet5"), None)


# ---- the forward pass --------------------------------------------------------------------------------------------------


def test_logits_are_the_networks_whatever_holds_the_frames(trained, mnist):
    few = mnist.test[:40]
    with torch.inference_mode():
        expected = trained.network(few.preprocessing.normalize(few.images)).numpy()
    read_only = few.images.numpy().copy()
    read_only.flags.writeable = False
    for frames in (few, few.images, few.images.numpy(), few.images[:, 0], few.images.numpy()[:, 0], read_only):
        logits = trained.logits(frames)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(trained.logits(few, batch_size=7), expected, atol=1e-5)
    np.testing.assert_allclose(trained.probabilities(few).sum(1), 1)


def test_a_network_in_training_mode_is_judged_in_eval_mode_and_left_as_it_was(mnist):
    network = create_model("lenet5", dropout=0.5).train()
    classifier = Classifier(network, MNIST)
    assert np.array_equal(classifier.logits(mnist.test[:20]), classifier.logits(mnist.test[:20]))
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(3, 1, 28, 28),
        np.zeros((3, 28, 28)),
        np.zeros((3, 784), np.uint8),
        np.zeros((3, 20, 20), np.uint8),
        np.zeros((3, 3, 28, 28), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((0, 1, 28, 28), np.uint8),
        [1, 2],
        None,
    ],
    ids=repr,
)
def test_what_is_no_stack_of_frames_is_refused(trained, frames):
    with pytest.raises(DataError, match=r"as frames, expected at least one uint8 image of \(N, 1, 28, 28\)"):
        trained.logits(frames)


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (Fixed(1.0, 2.0), DataError, "the network has 2 outputs for 10 classes: create it with classes=10"),
        (nn.Flatten(0), DataError, "expected logits"),
        (Fixed(*[0.0] * 9, float("nan")), NonFiniteLossError, "not finite for 10 of 10 images, first for image 0"),
        (Fixed(*[0.1] * 10), DataError, "it ends in softmax, and what is expected are logits"),
    ],
)
def test_outputs_that_are_no_logits_are_refused_at_every_door(network, error, message, mnist):
    classifier = Classifier(network, MNIST)
    doors = [
        lambda: classifier.logits(mnist.test[:10]),
        lambda: classifier.calibrate(mnist.validation[:10]),
        lambda: evaluate(network, mnist.test[:10]),
        lambda: Predictor(classifier).predict(mnist.test.images[:10]),
    ]
    for door in doors:
        with pytest.raises(error, match=message):
            door()


# ---- data of another kind ------------------------------------------------------------------------------------------------


def test_images_prepared_in_another_way_are_prepared_as_the_classifiers(trained, mnist):
    part = mnist.validation[:1000]
    expected = trained.calibrate(part).calibration
    assert trained.calibrate(part.normalized(0, 1)).calibration == expected
    assert evaluate(trained, part.normalized(0, 1)).score.correct == evaluate(trained, part).score.correct
    with pytest.raises(ConfigError, match="cropped or resized already"):
        trained.calibrate(part.crop(20))


def test_images_of_another_size_are_refused(trained, mnist):
    other = DigitDataset.from_arrays(np.zeros((4, 20, 20), np.uint8) + np.arange(20, dtype=np.uint8), [0, 1, 2, 3])
    for door in (trained.logits, lambda data: evaluate(trained, data)):
        with pytest.raises(DataError, match="got images of shape"):
            door(other)


def renamed(dataset, classes, labels):
    return dataclasses.replace(dataset, classes=tuple(classes), labels=torch.as_tensor(labels))


def test_classes_are_mapped_by_name(trained, mnist):
    part = mnist.validation[:1000]
    expected = evaluate(trained, part)
    backwards = renamed(part, "9876543210", 9 - part.labels)
    assert evaluate(trained, backwards).score.correct == expected.score.correct
    assert trained.calibrate(backwards).calibration == trained.calibrate(part).calibration
    # A folder of pictures without any 0.
    rest = part.only(*range(1, 10))
    shifted = renamed(rest, "123456789", rest.labels - 1)
    report = evaluate(trained, shifted)
    assert report.score.correct == evaluate(trained, rest).score.correct
    assert report.classes == trained.classes
    assert report.fingerprint == shifted.fingerprint


def test_a_class_that_the_classifier_does_not_know_is_named(trained, mnist):
    part = mnist.validation[:100]
    letters = renamed(part, "abcdefghij", part.labels)
    for door in (trained.calibrate, lambda data: evaluate(trained, data)):
        with pytest.raises(DataError, match=r"has images of 'a', 'b', .* not among the classes '0', '1'"):
            door(letters)
    # A name of no image is no matter.
    more = renamed(part, "0123456789x", part.labels)
    assert evaluate(trained, more).count == 100


# ---- calibration ---------------------------------------------------------------------------------------------------------


def test_calibration_makes_the_confidence_right_and_allows_a_coverage(trained, mnist):
    part = mnist.validation[:2000]
    labels = part.labels.numpy()
    calibrated = trained.calibrate(part)
    before, after = (expected_calibration_error(c.probabilities(part), labels) for c in (trained, calibrated))
    assert after <= before + 1e-4
    assert not calibrated.calibration.background
    predictions = Predictor(calibrated).predict(part.images, coverage=0.9)
    right = [p for p, label in zip(predictions, labels, strict=True) if p.label == label]
    assert sum(p.rejected is None for p in right) / len(right) == pytest.approx(0.9, abs=0.02)
    assert all(p.rejected.startswith("it may be ") for p in predictions if p.rejected)


def test_calibration_on_changed_images_is_less_sure_and_repeatable(trained, mnist):
    part, augment = mnist.validation[:1000], Augment(rotate=30, shift=4)
    clean = trained.calibrate(part).calibration
    changed = trained.calibrate(part, augment=augment, seed=1).calibration
    assert changed.temperature > clean.temperature
    assert trained.calibrate(part, augment=augment, seed=1).calibration == changed
    assert trained.calibrate(part, augment=augment, seed=2).calibration != changed


def test_whether_there_is_a_background_class_is_kept_unless_said(trained, mnist):
    part = mnist.validation[:500]
    taught = trained.calibrate(part, background=True)
    assert taught.calibration.background
    assert taught.calibrate(part).calibration.background
    assert not trained.calibrate(part).calibration.background


def test_test_images_and_images_that_it_was_trained_on_are_refused(trained, mnist):
    with pytest.raises(SplitLeakError, match="was given as calibration data"):
        trained.calibrate(mnist.test)
    with pytest.raises(SplitLeakError, match="was trained on such images"):
        trained.calibrate(mnist.train[:100])
    disguised = DigitDataset.from_arrays(mnist.train.images[:3000], mnist.train.labels[:3000], split="validation")
    with pytest.raises(SplitLeakError, match="was trained on such images"):
        trained.calibrate(disguised)
    mixed = concatenate(mnist.validation[:1000], disguised.prepared_as(mnist.validation.preprocessing))
    with pytest.raises(SplitLeakError, match="was trained on such images"):
        trained.calibrate(mixed)


@pytest.mark.parametrize("data", [None, [1, 2], "mnist"])
def test_what_is_no_data_set_is_refused(trained, data):
    for door in (trained.calibrate, trained.prepared, lambda data: evaluate(trained, data)):
        with pytest.raises(ConfigError, match="as the data, expected a DigitDataset"):
            door(data)


def test_one_that_saw_all_images_is_calibrated_by_its_twin(trained, mnist):
    """As the page says it."""
    full = dataclasses.replace(trained, card=Card())
    twin = trained.calibrate(mnist.validation[:500])
    assert dataclasses.replace(full, calibration=twin.calibration).calibration == twin.calibration
