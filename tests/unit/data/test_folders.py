"""Folders of one's own pictures: what is a class, what is none, and that nothing is left out in silence."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from mnistkit import Predictor
from mnistkit.data import from_folder
from mnistkit.errors import ConfigError, DataError


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.asarray(pixels)).save(path, **options)


@pytest.fixture
def pictures(tmp_path, small):
    """Twenty of MNIST's digits, dark on light, in a folder for each."""
    for number, (image, label) in enumerate(zip(small.test.images, small.test.labels, strict=True)):
        if number % 5 == 0:
            save(tmp_path / "mine" / str(int(label)) / f"{number:03}.png", 255 - image[0].numpy())
    return tmp_path / "mine"


def test_ones_own_pictures_are_framed_as_mnists_are(pictures, small):
    dataset = from_folder(pictures, split="validation")
    count = len(dataset)
    assert repr(dataset) == f"DigitDataset(mine validation: {count} images of 1x28x28, {len(dataset.classes)} classes)"
    assert dataset.source == str(pictures)
    assert count == 20
    assert list(dataset.classes) == sorted({path.parent.name for path in pictures.rglob("*.png")})
    # MNIST's own images come out as they went in.
    by_label = sorted(range(0, 100, 5), key=lambda number: (int(small.test.labels[number]), number))
    assert [int(dataset.classes[label]) for label in dataset.labels] == small.test.labels[by_label].tolist()
    assert torch.equal(dataset.images, small.test.images[by_label])


def test_numbers_come_before_words_and_in_their_order(tmp_path):
    picture = np.zeros((10, 10), dtype=np.uint8)
    picture[3:7, 4:6] = 255
    names = ["10", "9", "b", "0", "A", "100"]
    for name in names:
        save(tmp_path / name / "one.png", picture)
    dataset = from_folder(str(tmp_path))
    assert dataset.classes == ("0", "9", "10", "100", "A", "b")
    assert dataset.labels.tolist() == list(range(6))


def test_pictures_are_found_in_every_format_and_depth_and_nothing_else_is(tmp_path):
    picture = np.zeros((12, 12), dtype=np.uint8)
    picture[3:9, 5:7] = 255
    for name in ("a.PNG", "b.jpg", "c.bmp", "deeper/d.gif", "deeper/still/e.tif", "f.webp", "g.pgm"):
        save(tmp_path / "1" / name, picture)
    (tmp_path / "1" / "notes.txt").write_text("no picture")
    (tmp_path / "1" / "._a.png").write_bytes(b"\0\5\26\7 what macOS leaves")
    (tmp_path / "readme.txt").write_text("in no class")
    for name in (".cache", "__MACOSX", "1/.ipynb_checkpoints", "1/@eaDir", "1/deeper/__MACOSX"):
        save(tmp_path / name / "a.png", picture)
    dataset = from_folder(tmp_path)
    assert len(dataset) == 7
    assert dataset.classes == ("1",)
    assert dataset.labels.tolist() == [0] * 7


def test_the_working_folder_has_a_name_too(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    assert from_folder(".").name == "mine"


def test_colour_is_kept_when_whole_pictures_are_resized(tmp_path):
    red = np.zeros((20, 30, 3), dtype=np.uint8)
    red[..., 0] = 200
    red[:5, :, 1] = 100
    save(tmp_path / "red" / "1.png", red)
    save(tmp_path / "blue" / "1.png", red[..., ::-1])
    dataset = from_folder(tmp_path, size=16, channels=3, framing="resize")
    assert dataset.classes == ("blue", "red")
    assert dataset.preprocessing.input_shape == (3, 16, 16)
    assert dataset.preprocessing.framing == "resize"
    assert dataset.images[:, :, 8, 8].tolist() == [[0, 0, 200], [200, 0, 0]]


def test_grey_pictures_can_be_resized_whole(tmp_path):
    picture = np.zeros((40, 40), dtype=np.uint8)
    picture[:20, :20] = 100
    save(tmp_path / "x" / "1.png", picture)
    (frame,) = from_folder(tmp_path, size=4, framing="resize").images
    assert frame.tolist() == [[[100, 100, 0, 0]] * 2 + [[0] * 4] * 2]


def test_another_size_scales_the_frame(pictures):
    assert from_folder(pictures, size=56).images.shape == (20, 1, 56, 56)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size is 0, expected a whole number from 1 to 1024"),
        ({"size": 10**6}, "size is 1000000, expected"),
        ({"size": 2.5}, "size is 2.5, expected"),
        (
            {"channels": 3},
            r"framing 'mnist' makes 1 channel, white ink on black; 3 channels need framing='resize'",
        ),
        ({"framing": "fit"}, "unknown framing 'fit'. Available: mnist, resize"),
        ({"split": "valid"}, "unknown split 'valid'; did you mean 'validation'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(pictures, arguments, message):
    with pytest.raises(ConfigError, match=message):
        from_folder(pictures, **arguments)


def test_every_picture_that_cannot_be_read_is_listed(pictures):
    blank = pictures / "3" / "blank.png"
    save(blank, np.full((30, 30), 255, dtype=np.uint8))
    text = pictures / "5" / "text.jpg"
    text.write_text("no picture")
    cut = pictures / "7" / "cut.png"
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (99, 99), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(buffer, "png")
    cut.write_bytes(buffer.getvalue()[:2000])
    with pytest.raises(DataError) as caught:
        from_folder(pictures)
    first, *lines = str(caught.value).splitlines()
    assert first == "3 of 23 pictures cannot be read:"
    assert [line.split(": ")[0].strip() for line in lines] == [str(blank), str(text), str(cut)]
    assert "the image is blank" in lines[0]
    assert "is not an image that can be read" in lines[1]
    assert "cannot be read as an image" in lines[2]


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: (path / "7").mkdir(parents=True)], ids=["empty", "empty class"]
)
def test_a_folder_without_pictures_is_refused(tmp_path, make):
    folder = tmp_path / "mine"
    make(folder)
    with pytest.raises(DataError) as caught:
        from_folder(folder)
    assert str(caught.value).startswith(
        f"no pictures in {folder}: expected a folder for each class, as in {folder}/7/photo.png, with files ending in ."
    )


@pytest.mark.parametrize("make", [Path.touch, lambda path: None], ids=["a file", "nothing"])
def test_what_is_not_a_folder_is_refused(tmp_path, make):
    make(tmp_path / "mine")
    with pytest.raises(
        DataError, match="mine is not a folder; expected one that holds a folder of pictures for each class"
    ):
        from_folder(tmp_path / "mine")


def fill(folder, *names):
    picture = np.full((12, 12), 255, dtype=np.uint8)
    picture[3:9, 5:7] = 0
    for name in names:
        save(folder / name, picture)


@pytest.mark.parametrize("parts", [("train", "test"), ("training", "testing"), ("Train", "valid", "test"), ("val",)])
def test_the_parts_of_a_data_set_are_no_classes(tmp_path, parts):
    fill(tmp_path, *(f"{part}/{digit}/a.png" for part in parts for digit in range(3)))
    with pytest.raises(
        DataError, match=rf"which are parts of a data set and no classes: .*from_folder\(\"{tmp_path / parts[0]}\"\)"
    ):
        from_folder(tmp_path)
    assert from_folder(tmp_path / parts[0]).classes == ("0", "1", "2")


def test_a_folder_in_a_folder_is_no_class(tmp_path):
    fill(tmp_path, "archive/0/a.png", "archive/1/a.png")
    with pytest.raises(DataError, match=rf"holds one folder, .*from_folder\(\"{tmp_path / 'archive'}\"\)"):
        from_folder(tmp_path)


def test_pictures_beside_the_classes_are_named(tmp_path):
    fill(tmp_path, "0/a.png", "1/a.png", "stray.png")
    with pytest.raises(DataError, match=r"stray\.png lie beside the folders of classes"):
        from_folder(tmp_path)


def test_an_empty_class_is_named_unless_it_is_said_to_be_one(tmp_path):
    fill(tmp_path, "0/a.png", "2/a.png")
    (tmp_path / "1").mkdir()
    with pytest.raises(DataError, match=r"no pictures in .*1: delete what is no class; classes=\['0', '1', '2'\] says"):
        from_folder(tmp_path)
    dataset = from_folder(tmp_path, classes="0123456789")
    assert dataset.classes == tuple("0123456789")
    assert dataset.labels.tolist() == [0, 2]


def test_labels_follow_the_classes_that_are_given(tmp_path):
    fill(tmp_path, "seven/a.png", "one/a.png")
    dataset = from_folder(tmp_path, classes=["one", "two", "seven"])
    assert dataset.labels.tolist() == [0, 2]
    with pytest.raises(DataError, match="has images of 'seven', which is not among the classes 'one'"):
        from_folder(tmp_path, classes=["one"])


def test_folders_of_folders_of_classes_are_no_classes(tmp_path):
    fill(tmp_path, "anna/7/a.png", "ben/7/a.png", "ben/1/a.png")
    with pytest.raises(
        DataError, match=r"holds anna, ben, and in these are the folders 1, 7, which look like the classes"
    ):
        from_folder(tmp_path)
    fill(tmp_path / "mine", "7/2024/a.png", "1/2025/a.png")
    assert from_folder(tmp_path / "mine").classes == ("1", "7")


def test_pictures_without_folders_of_classes_are_told_from_no_pictures(tmp_path):
    fill(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"a\.png lie in .* itself: expected a folder for each class"):
        from_folder(tmp_path)


@pytest.mark.parametrize("name", ["a.jfif", "a.jp2", "a.avif", "a.tga", "a.ico", "a.pcx"])
def test_every_format_that_can_be_read_is_read(tmp_path, name):
    kind = {"a.jfif": "JPEG", "a.jp2": "JPEG2000"}.get(name)
    picture = PIL.Image.new("RGB", (40, 40), "white")
    picture.paste("black", (10, 5, 14, 30))
    (tmp_path / "1").mkdir()
    picture.save(tmp_path / "1" / name, kind)
    assert len(from_folder(tmp_path, split="validation")) == 1


@pytest.mark.parametrize("name", ["photo.HEIC", "photo.dng", "photo.svg", "photo.jxl", "photo.eps"])
def test_a_picture_that_cannot_be_read_is_never_left_out(tmp_path, name):
    fill(tmp_path, "1/a.png")
    (tmp_path / "1" / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=rf"1 of 2 pictures cannot be read:\n  .*{name}: "):
        from_folder(tmp_path)


def test_training_and_prediction_decode_a_photo_alike(tmp_path, small):
    """A large JPEG is decoded at a part of its size, which changes the frame."""
    for number in range(3):
        ink = PIL.Image.fromarray(255 - small.train.images[number, 0].numpy()).resize((1120, 1120))
        (tmp_path / str(number)).mkdir()
        ink.save(tmp_path / str(number) / "photo.jpg", quality=90)
    dataset = from_folder(tmp_path)
    reader = Predictor()
    for number in range(3):
        seen = reader.explain(tmp_path / str(number) / "photo.jpg").stages["frame"]
        np.testing.assert_array_equal(dataset.images[number, 0], seen)
