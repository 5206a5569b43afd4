import dataclasses
import io
import itertools
import math
import threading
from collections import deque

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import torch
from torch import nn

from mnistkit import Checkpoint, Classifier, Prediction, Predictor, Trainer, create_model, from_folder
from mnistkit.data import DigitDataset, Preprocessing
from mnistkit.errors import (
    BlankImageError,
    CheckpointError,
    CheckpointMismatchError,
    ConfigError,
    ImageError,
)
from mnistkit.imaging import image_files
from mnistkit.synthetic import draw_distractors
from mnistkit.training import OneCycle

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))


@pytest.fixture(scope="module")
def run(mnist, tmp_path_factory):
    """The folder of a short training run: best.safetensors is a model file, last.safetensors a training file."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    trainer = Trainer(
        create_model("lenet5"),
        lr=OneCycle(0.006),
        callbacks=[Checkpoint(folder, monitor="train_loss")],
        device="cpu",
        progress=False,
    )
    trainer.fit(mnist.train[:6000], epochs=2)
    return folder


@pytest.fixture(scope="module")
def reader(run):
    return Predictor.from_checkpoint(run / "best.safetensors", device="cpu")


@pytest.fixture(scope="module")
def shipped():
    return Predictor(device="cpu")


@pytest.fixture(scope="module")
def distractors(mnist):
    """Thirty of each kind, none of which the weights were trained on."""
    return draw_distractors(7 * 30, mnist.validation, seed=5, split="validation")


@pytest.fixture(scope="module")
def seven(mnist):
    return mnist.test.images[0, 0].numpy()


@pytest.fixture(scope="module")
def few(mnist):
    """Two of each digit."""
    return mnist.test.take_per_class(2)


def png(pixels):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def labels(predictions):
    return [prediction.label for prediction in predictions]


def fitted(dataset, model, path):
    """A model file of one epoch's training."""
    trainer = Trainer(model, batch_size=10, lr=0.01, device="cpu", progress=False)
    trainer.fit(dataset, epochs=1)
    trainer.save_model(path)
    return path


def test_a_picture_is_read(reader, seven, tmp_path):
    path = tmp_path / "my_seven.png"
    path.write_bytes(png(255 - seven))
    prediction = reader.predict(str(path))
    assert isinstance(prediction, Prediction)
    assert prediction.label == 7
    assert prediction.name == "7"
    assert prediction.confidence == prediction.probabilities[7] == max(prediction.probabilities)
    assert prediction.classes == tuple("0123456789")
    assert np.array_equal(prediction.frame, seven)


def test_every_kind_of_source_gives_the_same_prediction(reader, seven, tmp_path):
    path = tmp_path / "seven.png"
    path.write_bytes(png(255 - seven))
    expected = reader.predict(path)
    with path.open("rb") as file:
        sources = [str(path), path.read_bytes(), bytearray(path.read_bytes()), file, PIL.Image.open(path)]
        sources += [seven, 255 - seven, seven / 255, torch.tensor(seven), torch.tensor(seven)[None]]
        sources += [np.stack([seven] * channels, -1) for channels in (1, 3)]
        sources += [np.dstack([255 - seven] * 3 + [np.full_like(seven, 255)]), np.dstack([0 * seven] * 3 + [seven])]
        for source in sources:
            assert reader.predict(source) == expected


def test_the_model_sees_what_it_saw_in_training(reader, few):
    for (image, _), frame in zip(few, few.images, strict=True):
        with torch.inference_mode():
            expected = reader.classifier.network(image[None]).double().softmax(1)[0].tolist()
        prediction = reader.predict(frame)
        assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(prediction.frame, frame[0].numpy())


def test_several_at_once_are_read_as_one_by_one(reader, few):
    images = list(few.images)
    together = reader.predict(images)
    assert isinstance(together, list)
    for prediction, image in zip(together, images, strict=True):
        alone = reader.predict(image)
        assert prediction.label == alone.label
        assert prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_more_images_than_one_batch_keep_their_order(reader, few):
    images = [few.images[index % 20] for index in range(300)]
    expected = labels(reader.predict(images[:20]))
    assert len(set(expected)) > 5
    assert labels(reader.predict(images)) == expected * 15


@pytest.mark.parametrize(
    "form", ["NHW", "NHW1", "NHW3", "NHW4", "N1HW tensor", "N3HW tensor", "float NHW", "list", "tuple", "deque"]
)
def test_every_form_of_a_stack_gives_a_list(form, reader, few):
    stack = few.images[:, 0].numpy()
    opaque = np.full_like(stack, 255)
    images = {
        "NHW": stack,
        "NHW1": stack[..., None],
        "NHW3": np.stack([stack] * 3, -1),
        "NHW4": np.stack([stack] * 3 + [opaque], -1),
        "N1HW tensor": few.images,
        "N3HW tensor": few.images.expand(-1, 3, -1, -1),
        "float NHW": stack / 255,
        "list": list(stack),
        "tuple": tuple(stack),
        "deque": deque(stack),
    }[form]
    predictions = reader.predict(images)
    assert isinstance(predictions, list)
    assert predictions == reader.predict(list(stack))


def test_a_stack_of_one_is_a_list_of_one(reader, seven):
    for stack in (seven[None], [seven], torch.tensor(seven)[None, None]):
        assert labels(reader.predict(stack)) == [7]


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 28, 28)), torch.zeros(0, 1, 28, 28)], ids=repr)
def test_no_images_give_no_predictions(nothing, reader):
    assert reader.predict(nothing) == []


def test_kinds_of_sources_can_be_mixed_in_a_list(reader, few, tmp_path):
    images = few.images[::2, 0].numpy()[:5]
    path = tmp_path / "digit.png"
    path.write_bytes(png(images[0]))
    mixed = [path, png(images[1]), PIL.Image.fromarray(images[2]), images[3], torch.tensor(images[4])]
    assert reader.predict(mixed) == reader.predict(images)


def test_an_error_in_a_list_says_the_position(reader, seven, tmp_path):
    missing = tmp_path / "no.png"
    with pytest.raises(ImageError, match=f"^image 2 of 3: there is no image file {missing}$"):
        reader.predict([seven, seven, missing])
    with pytest.raises(ImageError, match=r"^image 1 of 2: NoneType is not a kind of image"):
        reader.predict([seven, None])
    with pytest.raises(ImageError, match=r"^image 0 of 2: got an image of shape \(2, 28, 28\)"):
        reader.predict([[seven, seven], seven])
    with pytest.raises(ImageError, match=r"^got float64 pixels from 256 to 256, expected 0 to 1 or 0 to 255"):
        reader.predict(np.full((20, 28, 28), 256.0))


def test_a_blank_image_is_refused_as_such(reader, seven):
    blank = np.full((60, 60), 230, np.uint8)
    with pytest.raises(BlankImageError, match=r"^the image is blank: its strongest contrast is 0 of 255"):
        reader.predict(blank)
    with pytest.raises(BlankImageError, match=r"^image 1 of 2: the image is blank"):
        reader.predict([seven, blank])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "NoneType is not a kind of image"),
        (7, "int is not a kind of image"),
        (memoryview(b"abc"), "this content is not an image"),
        ("missing.png", "there is no image file missing.png"),
        (b"seven", "this content is not an image"),
        (
            torch.zeros(3, 28, 28),
            r"shape \(3, 28, 28\) may be 3 pictures, or one of 3 channels; write tensor\[:, None\]",
        ),
        (torch.zeros(3, 32, 32), r"shape \(3, 32, 32\) may be 3 pictures"),
        (
            np.zeros((5, 3072)),
            r"may be 5 pictures of 3 channels in a row, or one; write array.reshape\(-1, 3, 32, 32\)",
        ),
        (np.zeros((1, 784)), "may be a picture of 784 pixels in a row, or one"),
        (np.zeros((784, 1)), r"may be a picture in one column; write array.reshape\(28, 28\)"),
        (np.zeros((2, 3, 4, 5, 6)), r"got an image of shape \(2, 3, 4, 5, 6\)"),
        (np.zeros(784), r"got an image of shape \(784,\)"),
        (np.zeros((9, 9, 0)), r"got an image of shape \(9, 9, 0\)"),
        (torch.full((28, 28), 256.0), "got float32 pixels from 256 to 256, expected 0 to 1 or 0 to 255"),
    ],
)
def test_what_is_no_image_is_refused(image, message, reader):
    with pytest.raises(ImageError, match=message):
        reader.predict(image)


@pytest.mark.parametrize("method", ["explain", "read"])
def test_where_one_picture_is_wanted_several_are_refused(method, reader, few):
    pictures = few.images[:3, 0]
    for several in (pictures.numpy(), list(pictures), pictures.repeat(2, 1, 1)):
        with pytest.raises(ImageError, match=r"got \d pictures, expected one"):
            getattr(reader, method)(several)
    with pytest.raises(ImageError, match="may be 3 pictures, or one of 3 channels"):
        getattr(reader, method)(pictures)


def test_a_page_may_be_as_wide_as_a_row_of_pixels(reader, few):
    strip = np.concatenate([*few.images[:20, 0].numpy(), *few.images[:8, 0].numpy()], axis=1)
    assert strip.shape == (28, 784)
    assert len(reader.read(strip).text) > 20


def test_in_a_frame_of_mnists_kind_nothing_else_is_looked_for(monkeypatch):
    class AskedError(Exception):
        pass

    def maps(pages):
        raise AskedError

    monkeypatch.setattr("mnistkit.reading.predictor.maps", maps)
    noise = np.zeros((28, 28), np.uint8)
    noise[4:24, 4:24] = np.random.default_rng(0).choice([0, 255], (20, 20))
    predictor = Predictor(device="cpu")
    assert predictor.predict(noise, coverage=0.98).rejected is not None
    with pytest.raises(AskedError):
        predictor.predict(np.kron(noise, np.ones((3, 3), np.uint8)))


def test_probabilities_are_numbers_that_add_up(reader, few):
    for prediction in reader.predict(few.images):
        assert len(prediction.probabilities) == 10
        assert all(0 <= probability <= 1 for probability in prediction.probabilities)
        assert math.isclose(sum(prediction.probabilities), 1, abs_tol=1e-9)


def test_a_training_file_predicts_as_the_model_file_does(run, reader, few):
    other = Predictor.from_checkpoint(str(run / "last.safetensors"), device="cpu")
    assert other.predict(few.images) == reader.predict(few.images)
    assert other.classifier.preprocessing == reader.classifier.preprocessing


@pytest.mark.parametrize("device", ["cpu", "auto", torch.device("cpu")])
def test_the_device_can_be_chosen(device, run, seven):
    predictor = Predictor.from_checkpoint(run / "best.safetensors", device=device)
    assert {parameter.device.type for parameter in predictor.classifier.network.parameters()} == {
        predictor.classifier.device.type
    }
    assert device == "auto" or predictor.classifier.device == torch.device("cpu")
    assert predictor.predict(seven).label == 7


@pytest.mark.parametrize(
    ("device", "message"), [("gpu", "'gpu' is not a device: use 'auto'"), ("cuda:99", "device 'cuda:99' is not ")]
)
def test_a_device_that_is_not_there_is_refused(device, message, run):
    with pytest.raises(ConfigError, match=message):
        Predictor.from_checkpoint(run / "best.safetensors", device=device)


def test_dropout_is_off(few):
    torch.manual_seed(0)
    predictor = Predictor(Classifier(create_model("lenet5", dropout=0.5).train(), MNIST))
    assert predictor.predict(few.images) == predictor.predict(few.images)


def test_no_gradients_are_recorded(seven):
    class Recorder(nn.Module):
        def forward(self, images):
            self.inference = torch.is_inference_mode_enabled()
            return images.flatten(1)[:, :10]

    model = Recorder()
    Predictor(Classifier(model, MNIST)).predict(seven)
    assert model.inference


@pytest.fixture(scope="module")
def foreign(run, tmp_path_factory):
    """The weights as another script would save them."""
    path = tmp_path_factory.mktemp("foreign") / "weights.pt"
    torch.save(Predictor.from_checkpoint(run / "best.safetensors", device="cpu").classifier.network.state_dict(), path)
    return path


def test_somebody_elses_weights_are_read_with_a_model_and_its_preprocessing(foreign, reader, few):
    predictor = Predictor.from_checkpoint(
        foreign, model=create_model("lenet5"), preprocessing=reader.classifier.preprocessing, device="cpu"
    )
    assert predictor.classifier.classes == tuple("0123456789")
    assert predictor.predict(few.images) == reader.predict(few.images)


def test_somebody_elses_weights_need_preprocessing(foreign):
    with pytest.raises(CheckpointMismatchError) as caught:
        Predictor.from_checkpoint(foreign, model=create_model("lenet5"))
    message = str(caught.value)
    assert message.startswith(f"{foreign} does not say how images were prepared in training; give it, such as ")
    assert "preprocessing=Preprocessing(mean=(0.1307,), std=(0.3081,)) from mnistkit.data" in message
    assert "mean=(0.0,), std=(1.0,) if pixels were only divided by 255" in message


def test_somebody_elses_weights_need_a_model(foreign):
    with pytest.raises(CheckpointMismatchError, match=r"does not say which model .* model=create_model\('lenet5'\)"):
        Predictor.from_checkpoint(foreign, preprocessing=MNIST)


def test_weights_of_another_model_are_refused(foreign):
    with pytest.raises(CheckpointMismatchError, match=r"the weights do not fit this MLP:\n  missing: "):
        Predictor.from_checkpoint(foreign, model=create_model("mlp"), preprocessing=MNIST)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=f"there is no checkpoint {tmp_path / 'best.safetensors'}"):
        Predictor.from_checkpoint(tmp_path / "best.safetensors")


def test_preprocessing_of_ones_own_takes_precedence_over_the_files(run, reader, seven):
    raw = dataclasses.replace(reader.classifier.preprocessing, mean=(0.0,), std=(1.0,))
    predictor = Predictor.from_checkpoint(run / "best.safetensors", preprocessing=raw, device="cpu")
    with torch.inference_mode():
        expected = reader.classifier.network(torch.tensor(seven)[None, None] / 255).double().softmax(1)[0].tolist()
    assert predictor.predict(seven).probabilities == pytest.approx(expected, abs=1e-6)


def test_a_model_of_cropped_flat_images_reads_a_whole_picture(small, tmp_path):
    path = fitted(small.train.crop(20).flatten(), create_model("mlp", image_size=20), tmp_path / "mlp.safetensors")
    predictor = Predictor.from_checkpoint(path, device="cpu")
    cropped = small.test.crop(20).flatten()
    for index in (0, 50, 99):
        prediction = predictor.predict(np.pad(small.test.images[index, 0].numpy(), 6))
        assert prediction.frame.shape == (20, 20)
        assert np.array_equal(prediction.frame, small.test.images[index, 0, 4:24, 4:24].numpy())
        with torch.inference_mode():
            expected = predictor.classifier.network(cropped[index][0][None]).double().softmax(1)[0].tolist()
        assert prediction.probabilities == pytest.approx(expected, abs=1e-6)


def test_a_model_of_resized_images_reads_a_whole_picture(small, tmp_path):
    path = fitted(small.train.resize(14), create_model("mlp", image_size=14), tmp_path / "mlp.safetensors")
    prediction = Predictor.from_checkpoint(path, device="cpu").predict(small.test.images[0])
    assert np.array_equal(prediction.frame, small.test.resize(14).images[0, 0].numpy())


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Pictures of three colours, in a folder each, and a model that tells them apart."""
    folder = tmp_path_factory.mktemp("colours")
    generator = np.random.default_rng(0)
    for channel, name in enumerate(["blue", "green", "red"]):
        (folder / name).mkdir()
        for number in range(20):
            pixels = generator.integers(0, 80, (12, 10, 3), np.uint8)
            pixels[..., 2 - channel] += 150
            PIL.Image.fromarray(pixels).save(folder / name / f"{number}.png")
    dataset = from_folder(folder, channels=3, framing="resize", size=8)
    torch.manual_seed(0)
    model = create_model("mlp", hidden=(), image_size=8, channels=3, classes=3)
    return folder, Predictor.from_checkpoint(fitted(dataset, model, folder / "colours.safetensors"), device="cpu")


@pytest.mark.parametrize("name", ["blue", "green", "red"])
def test_a_model_of_colour_pictures_names_their_class(name, colours):
    folder, predictor = colours
    for prediction in predictor.predict(sorted((folder / name).iterdir())):
        assert prediction.name == name
        assert prediction.classes == ("blue", "green", "red")
        assert prediction.frame.shape == (8, 8, 3)
    assert str(prediction).startswith(f"{name} (")


def test_the_frame_of_a_colour_picture_keeps_its_colours(colours):
    _, predictor = colours
    pixels = np.full((8, 8, 3), (200, 30, 60), np.uint8)
    for image in (pixels, torch.tensor(pixels).permute(2, 0, 1), png(pixels)):
        assert np.array_equal(predictor.predict(image).frame, pixels)


def test_a_grey_picture_is_read_by_a_colour_model(colours):
    _, predictor = colours
    assert predictor.predict(np.full((8, 8), 90, np.uint8)).frame.shape == (8, 8, 3)


@pytest.mark.parametrize(("channels", "framing"), [(3, "mnist"), (2, "mnist"), (2, "resize"), (4, "resize")])
def test_preprocessing_that_no_picture_can_go_through_is_refused(channels, framing):
    preprocessing = Preprocessing((0.5,) * channels, (0.5,) * channels, framing=framing)
    message = f"pictures cannot be brought to {channels} channels with framing '{framing}'; .*give preprocessing="
    with pytest.raises(ConfigError, match=message):
        Predictor(Classifier(nn.Identity(), preprocessing, ("0", "1")))


def test_classes_other_than_ten_have_their_names(small, tmp_path):
    chosen = small.train.only(1, 7)
    pairs = DigitDataset.from_arrays(chosen.images, (chosen.labels == 7).long(), classes=["one", "seven"])
    path = fitted(pairs, create_model("lenet5", classes=2), tmp_path / "pairs.safetensors")
    prediction = Predictor.from_checkpoint(path, device="cpu").predict(small.test.only(7).images[0])
    assert prediction.classes == ("one", "seven")
    assert prediction.name == prediction.classes[prediction.label]
    assert [name for name, _ in sorted(prediction.top(9))] == ["one", "seven"]
    assert sum(prediction.probabilities) == pytest.approx(1)


def test_classes_without_a_name_are_called_by_their_number(seven):
    class Sure(nn.Module):
        def forward(self, images):
            return torch.tensor([[0.0, 1.0, 2.0, 9.0]]).expand(len(images), -1)

    prediction = Predictor(Classifier(Sure(), MNIST, ("zero", "one"))).predict(seven)
    assert prediction.name == "3"
    assert prediction.classes == ("zero", "one", "2", "3")
    assert str(prediction).startswith("3 (99.9%; then 2 0.1%")


def offcentre(digit, generator):
    """Black on white, somewhere on a paper of 100x140."""
    paper = np.full((100, 140), 255, np.uint8)
    top, left = generator.integers(0, 73), generator.integers(0, 113)
    paper[top : top + 28, left : left + 28] = 255 - digit
    return paper


def enlarged(paper, method):
    picture = PIL.Image.fromarray(paper)
    return np.asarray(picture.resize((picture.width * 8, picture.height * 8), method))


WAYS = {
    "black on white": (500, lambda digit, generator: 255 - digit),
    "off-centre on a larger paper": (500, offcentre),
    "enlarged": (100, lambda digit, generator: enlarged(255 - np.pad(digit, 4), PIL.Image.Resampling.NEAREST)),
    "enlarged smoothly": (100, lambda digit, generator: enlarged(255 - np.pad(digit, 4), PIL.Image.Resampling.BICUBIC)),
    "off-centre and enlarged": (
        50,
        lambda digit, generator: enlarged(offcentre(digit, generator), PIL.Image.Resampling.BICUBIC),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_mnist_saved_as_pictures_is_read_as_well_as_mnist_itself(way, reader, mnist):
    """Within a point, which is a few images here."""
    count, transform = WAYS[way]
    part = mnist.test.stratified_split(count)[1]
    generator = np.random.default_rng(0)
    files = [png(transform(digit, generator)) for digit in part.images[:, 0].numpy()]
    with torch.inference_mode():
        raw = reader.classifier.network(part.preprocessing.normalize(part.images)).argmax(1)
    right = (raw == part.labels).sum().item()
    assert right > 0.9 * count
    read = (torch.tensor(labels(reader.predict(files))) == part.labels).sum().item()
    assert right - read <= max(1, 0.01 * count)


# ---- rejection ---------------------------------------------------------------------------------------------------------


def test_good_digits_are_answered_at_about_the_coverage_asked_for(shipped, mnist):
    answered = {
        c: sum(p.rejected is None for p in shipped.predict(mnist.validation.images[:count], coverage=c)) / count
        for c, count in ((0.5, 300), (0.9, 300), (0.98, 1000))
    }
    # Of the good pictures, MNIST's are a little easier than the drawn ones.
    assert answered[0.98] == pytest.approx(0.98, abs=0.01)
    assert answered[0.9] == pytest.approx(0.9, abs=0.05)
    assert 0.4 < answered[0.5] < answered[0.9]


@pytest.mark.parametrize("kind", ["letter", "sign", "scribble", "print", "texture", "pair", "part"])
def test_what_is_no_digit_is_refused(kind, shipped, distractors):
    chosen = distractors.images[distractors.labels == distractors.classes.index(kind)]
    predictions = shipped.predict(chosen, coverage=0.98)
    assert sum(prediction.rejected is not None for prediction in predictions) >= 0.9 * len(chosen)
    assert all(p.rejected is None for p in shipped.predict(chosen[:5]))


def test_a_blank_picture_is_rejected_where_rejection_was_asked_for(shipped, seven):
    blank = np.full((60, 60), 230, np.uint8)
    prediction = shipped.predict(blank, coverage=0.98)
    assert prediction.rejected == "there is no ink in it"
    assert not prediction.frame.any()
    both = shipped.predict([blank, seven], coverage=0.98)
    assert [p.rejected for p in both] == ["there is no ink in it", None]


@pytest.mark.parametrize("coverage", [1.5, 0, 1, -0.98, 98])
def test_a_coverage_that_is_no_share_is_refused(coverage, shipped, seven):
    for image in (seven, [seven], []):
        with pytest.raises(ConfigError, match=f"^coverage is {coverage}, expected the share of good pictures"):
            shipped.predict(image, coverage=coverage)


def test_a_model_that_was_never_calibrated_cannot_reject(reader, seven):
    with pytest.raises(ConfigError, match=r"measure it first, with classifier.calibrate\(validation\)"):
        reader.predict(seven, coverage=0.98)


# ---- which of the ink is the digit -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded(mnist):
    """A small five beside a big scribble, which has more ink and lies nearer to the middle."""
    generator = np.random.default_rng(3)
    paper = np.full((200, 300), 230, np.uint8)
    picture = PIL.Image.fromarray(paper)
    draw = PIL.ImageDraw.Draw(picture)
    points = generator.integers((70, 40), (170, 160), (40, 2))
    draw.line([tuple(point) for point in points.tolist()], fill=40, width=4)
    paper = np.array(picture)
    digit = np.kron(mnist.validation.only(5).images[1, 0].numpy(), np.ones((2, 2), np.uint8))
    place = paper[70:126, 230:286]
    np.minimum(place, 230 - (digit * 0.75).astype(np.uint8), out=place)
    return paper


def test_a_scribble_beside_the_digit_is_passed_over(crowded, shipped):
    assert shipped.predict(crowded).label == 5
    assert labels(shipped.predict([crowded, crowded])) == [5, 5]
    explanation = shipped.explain(crowded)
    assert explanation.prediction.label == 5
    assert not explanation.stages["digit"][:, :200].any()


def test_a_model_that_knows_no_none_takes_the_likeliest_ink(crowded, shipped):
    plain = Predictor(Classifier(shipped.classifier.network, shipped.classifier.preprocessing))
    assert not plain.explain(crowded).stages["digit"][:, 200:].any()


def test_several_candidates_do_not_shift_the_answers_of_a_batch(crowded, shipped, few):
    singles = list(few.images[:, 0].numpy())
    mixed = list(itertools.chain.from_iterable((single, crowded) for single in singles))
    predictions = shipped.predict(mixed)
    assert labels(predictions[1::2]) == [5] * len(singles)
    assert labels(predictions[::2]) == labels(shipped.predict(singles))


# ---- folders and streams -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, few):
    """Pictures in a folder and below it, in an order that is not theirs, and other files."""
    (tmp_path / "a").mkdir()
    for name, index in (("b.png", 0), ("a/z.PNG", 2), ("10.png", 4), ("9.png", 6)):
        (tmp_path / name).write_bytes(png(few.images[index, 0].numpy()))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._b.png").write_bytes(b"what macOS leaves")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_paths(folder, reader, few):
    expected = labels(reader.predict([few.images[index] for index in (4, 6, 2, 0)]))
    for path in (folder, str(folder)):
        assert labels(reader.predict(path)) == expected
    assert reader.predict(folder) == reader.predict(image_files(folder))


def test_an_empty_folder_gives_no_predictions(reader, tmp_path):
    assert reader.predict(tmp_path) == []


def test_a_stream_gives_errors_in_their_place(reader, few, tmp_path):
    results = list(reader.stream([few.images[0], tmp_path / "no.png", few.images[2], b"", few.images[4]]))
    assert [isinstance(result, Prediction) for result in results] == [True, False, True, False, True]
    assert str(results[1]) == f"there is no image file {tmp_path / 'no.png'}"
    assert labels(results[::2]) == labels(reader.predict(few.images[:5:2]))


@pytest.fixture(params=[0.0, math.inf], ids=["threads", "no threads"])
def worth_threads(request, monkeypatch):
    """Seconds that an image must take for threads to be used: none, or more than any takes."""
    monkeypatch.setattr("mnistkit.reading.predictor._WORTH_THREADS", request.param)
    return request.param


def test_a_stream_gives_the_same_with_threads_and_without(reader, few, worth_threads):
    images = [*few.images[:3], b"", *few.images[3:]] * 12
    before, threads = threading.active_count(), []

    def noted():
        for image in images:
            threads.append(threading.active_count() - before)
            yield image

    read, one_by_one = list(reader.stream(noted())), [_read(reader, image) for image in images]
    assert [str(result) for result in read] == [str(result) for result in one_by_one]
    assert (max(threads) > 0) == (worth_threads == 0)


def _read(reader, image):
    try:
        return reader.predict(image)
    except ImageError as error:
        return error


def test_a_stream_takes_no_more_than_a_batch_before_it_answers(reader, seven, worth_threads):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield seven

    stream = reader.stream(endless())
    for _ in range(300):
        assert next(stream).label == 7
    assert taken <= 600
    threads = threading.active_count()
    stream.close()
    assert (threading.active_count() < threads) == (worth_threads == 0)


def test_a_stream_of_unreadable_images_only(reader):
    assert [type(result) for result in reader.stream([b"", b""])] == [ImageError, ImageError]


def test_an_error_of_the_images_own_is_not_swallowed(reader, seven):
    def images():
        yield seven
        raise RuntimeError("the camera fell off")

    with pytest.raises(RuntimeError, match="the camera fell off"):
        list(reader.stream(images()))


def test_a_name_that_no_file_can_have_is_no_folder(reader):
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(ImageError, match="an image"):
            reader.predict(name)
