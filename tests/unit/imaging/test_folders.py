"""What one picture is and what several are, and what may be either."""

import base64
import io
import json
import os
import socket
import urllib.parse

import numpy as np
import PIL.Image
import pytest
import torch

from mnistkit import Predictor
from mnistkit.errors import ImageError
from mnistkit.imaging import image_suffixes, images_in, load_image


@pytest.fixture(scope="module")
def digits(mnist):
    return mnist.train.images[:5, 0].numpy()


@pytest.fixture(scope="module")
def png(digits):
    file = io.BytesIO()
    PIL.Image.fromarray(digits[0]).save(file, "PNG")
    return file.getvalue()


SEVERAL = {
    "array (N, H, W)": lambda digits: digits,
    "three in an array": lambda digits: digits[:3],
    "array (N, H, W, 1)": lambda digits: digits[..., None],
    "array (N, H, W, 3)": lambda digits: np.stack([digits] * 3, -1),
    "tensor (N, C, H, W)": lambda digits: torch.from_numpy(digits[:, None]),
    "tensor (N, H, W)": lambda digits: torch.from_numpy(digits),
    "list": list,
    "tuple": tuple,
    "list of tensors": lambda digits: list(torch.from_numpy(digits)),
    "lists of numbers": lambda digits: digits.tolist(),
    "one row in a list": lambda digits: [digits[0].reshape(28, 28)],
    "10 bits": lambda digits: ((digits.astype(np.int32) * 1023 + 254) // 255).astype(np.uint16),
    "floats": lambda digits: digits / 255,
}
ONE = {
    "array (H, W)": lambda digits: digits[0],
    "array (H, W, 3)": lambda digits: np.stack([digits[0]] * 3, -1),
    "tensor (H, W)": lambda digits: torch.from_numpy(digits[0]),
    "tensor (1, H, W)": lambda digits: torch.from_numpy(digits[:1]),
    "a colour tensor of another size": lambda digits: torch.from_numpy(np.stack([np.pad(digits[0], 4)] * 3)),
    "lists of numbers": lambda digits: digits[0].tolist(),
    "a square of 784": lambda digits: np.kron(digits[0], np.ones((28, 28), np.uint8)),
    "PIL image": lambda digits: PIL.Image.fromarray(digits[0]),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_pictures(form, digits):
    found = images_in(SEVERAL[form](digits))
    assert len(found) in {1, 3, 5}
    for picture, digit in zip(found, digits, strict=False):
        np.testing.assert_array_equal(load_image(picture), digit)


@pytest.mark.parametrize("form", ONE)
def test_one_picture(form, digits):
    assert images_in(ONE[form](digits)) is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((100, 784), r"100 pictures of 784 pixels in a row, or one; write array.reshape\(-1, 28, 28\) for pictures"),
        ((1, 784), r"a picture of 784 pixels in a row"),
        ((1797, 64), r"1797 pictures of 64 pixels in a row, or one; write array.reshape\(-1, 8, 8\)"),
        ((5, 64), r"reshape\(-1, 8, 8\)"),
    ],
)
def test_rows_may_be_pictures(shape, message):
    for rows in (np.zeros(shape, np.uint8), torch.zeros(shape), np.zeros(shape).tolist()):
        with pytest.raises(ImageError, match=message):
            images_in(rows)
    assert len(images_in(np.zeros(shape).reshape(shape[0], round(shape[1] ** 0.5), -1))) == shape[0]
    assert len(images_in([np.zeros(shape)])) == 1


def test_rows_of_a_models_own_frame_may_be_pictures():
    assert images_in(np.zeros((10, 120))) is None
    with pytest.raises(ImageError, match=r"reshape\(-1, 12, 10\)"):
        images_in(np.zeros((10, 120)), size=(12, 10))


def test_a_tensor_of_up_to_four_frames_may_be_one_picture_in_colour():
    for count in (2, 3, 4):
        with pytest.raises(
            ImageError, match=r"write tensor\[:, None\] for pictures, and tensor\[None\] for one in colour"
        ):
            images_in(torch.zeros(count, 28, 28))
        assert len(images_in(torch.zeros(count, 1, 28, 28))) == count
        assert len(images_in(torch.zeros(1, count, 28, 28))) == 1
        with pytest.raises(ImageError):
            images_in(torch.zeros(count, 8, 8), size=(8, 8))
    assert images_in(torch.zeros(3, 28, 28), channels=3) is None


def test_predict_refuses_what_may_be_either_and_reads_what_it_says_to_write(mnist):
    images, reader = mnist.validation.images[:3, 0], Predictor()
    with pytest.raises(ImageError, match="tensor"):
        reader.predict(images)
    right = [prediction.label for prediction in reader.predict(images[:, None])]
    assert right == mnist.validation.labels[:3].tolist()
    assert [prediction.label for prediction in reader.predict(images.numpy())] == right
    assert reader.predict(images[:1]).label == right[0]


def test_white_is_the_same_in_a_whole_stack():
    stack = np.zeros((2, 28, 28), np.float32)
    stack[0, 5:20, 10] = 200
    stack[1, 5:20, 10] = 1
    assert [int(picture.max()) for picture in images_in(stack)] == [200, 1]


@pytest.mark.parametrize(
    ("numbers", "white"),
    [
        (np.array([[0, 1]], np.uint8), 255),
        (np.array([[0, 1]]), 255),
        (np.array([[0, 1]], ">i4"), 255),
        (np.array([[0, 2]], np.uint8), 2),
        (np.array([[0, 255]], np.uint16), 255),
        (np.array([[0, 1023]], np.uint16), 255),
        (np.array([[0, 512]], np.uint16), 127),
        (np.array([[0, 4095]], np.int32), 255),
        (np.array([[0, 16383]]), 255),
        (np.array([[0, 65535]]), 255),
        (np.array([[0, 1.0]]), 255),
        (np.array([[0, 17.0]]), 17),
        (np.array([[0, 254.6]]), 255),
    ],
)
def test_which_number_is_white(numbers, white):
    assert load_image(numbers)[0].tolist() == [0, white]


def test_which_number_is_white_can_be_said():
    assert load_image(np.array([[0, 8, 16]]), white=16).tolist() == [[0, 127, 255]]
    assert load_image(np.array([[0, 1]], np.uint8), white=255).tolist() == [[0, 1]]
    assert load_image(np.array([[0, 1.25]]), white=2.5).tolist() == [[0, 128]]
    with pytest.raises(ImageError, match="got int64 pixels from 0 to 17, expected 0 to 16, which is white"):
        load_image(np.array([[0, 17]]), white=16)
    with pytest.raises(ImageError, match="expected 0 to 0"):
        load_image(np.array([[0, 0]]), white=0)


def test_what_the_web_sends(png, digits):
    text = base64.b64encode(png).decode()
    # As getImageData gives it: red, green, blue and opacity of each pixel.
    canvas = np.dstack([digits[0]] * 3 + [np.full_like(digits[0], 255)]).ravel().tolist()
    for sent in (
        f"data:image/png;base64,{text}",
        f"data:image/png;base64,{urllib.parse.quote(text)}",
        f"data:image/png,{urllib.parse.quote_from_bytes(png)}",
        text,
        text.replace("+", "-").replace("/", "_").rstrip("="),
        "\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
        text.encode(),
        f"data:image/png;base64,{text}".encode(),
        memoryview(png),
        bytearray(png),
        {"background": None, "layers": [], "composite": digits[0]},
        {"image": PIL.Image.fromarray(digits[0])},
        {"bytes": png, "path": None},
        {"image": {"bytes": png, "path": "gone.png"}, "label": 7},
        {"width": 28, "height": 28, "data": canvas},
        {"width": 28, "height": 28, "data": bytes(canvas)},
        json.loads(json.dumps({"width": 28, "height": 28, "data": dict(enumerate(canvas))})),
    ):
        np.testing.assert_array_equal(load_image(sent), digits[0])


def test_a_plus_that_a_form_made_a_space_is_a_plus():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    assert "+" in text
    for sent in (f"data:image/png;base64,{text}", text):
        np.testing.assert_array_equal(load_image(sent.replace("+", " ")), pixels)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("[[0, 0, 255]]" * 300, r"\(3,900 characters\) cannot be read as an image: File name too long$"),
        ("https://example.com/seven.png", r"is an address, and nothing is downloaded: give its content, as of urllib"),
        ("file:///tmp/seven.png", "is the address of a file: give its path"),
        ("blob:http://localhost/1a2b", r"inside a browser.*canvas\.toDataURL"),
        ("", "an empty text"),
        ("data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E", "it is SVG, a drawing without pixels"),
        ("s3://bucket/seven.png", "is an address"),
        ("data:,", "the data URL data:, is empty, as that of a canvas"),
        ("data:image/png;base64,###", "the data URL .* holds no image"),
        ("data:image/png;base64," + "A" * 10_000, r"\(10,022 characters\) is not an image"),
        ({}, "a dictionary with nothing in it holds no picture; expected one as 'composite'"),
        ({"composite": None, "label": 3}, "a dictionary with 'composite', 'label' holds no picture"),
        ({"image": {"image": {"image": 3}}}, "holds no picture"),
        ({"width": 28, "height": 28, "data": [0, 0, 0, 255]}, "28 x 28 pixels does not hold four numbers"),
        ({"width": None, "height": -1, "data": None}, "None x -1 pixels does not hold four numbers"),
        ({"image": np.zeros((3, 3)), "mask": np.zeros((3, 3))}, 'an "image" and a "mask"'),
    ],
)
def test_what_the_web_sends_and_is_no_picture(sent, message):
    with pytest.raises(ImageError, match=message) as caught:
        load_image(sent)
    assert len(str(caught.value)) < 500


def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="pipe"):
        load_image(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        with pytest.raises(ImageError, match="socket"):
            load_image(tmp_path / "socket.png")
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(ImageError, match="device"):
            load_image(device)


class Endless(io.RawIOBase):
    def read(self, size=-1):
        return bytes(size)


class Lying(io.BytesIO):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def read(self, size=-1):
        return self.answer


@pytest.mark.parametrize("answer", ["text", None, 7, b"", b"x" * 100_000])
def test_a_file_that_answers_something_else_is_refused(answer):
    with pytest.raises(ImageError):
        load_image(Lying(answer))


def test_a_file_without_end_is_refused(monkeypatch):
    from mnistkit.imaging import encoded

    monkeypatch.setattr(encoded, "_MAX_FILE", 2**21)
    with pytest.raises(ImageError, match="it is longer than 2 MiB"):
        load_image(Endless())


def test_an_opened_postscript_file_is_not_run(digits):
    file = io.BytesIO()
    PIL.Image.fromarray(digits[0]).save(file, "EPS")
    with pytest.raises(ImageError, match="it is PostScript, a program that would have to be run"):
        load_image(PIL.Image.open(file))


def test_a_photo_of_an_iphone_needs_an_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(ImageError, match=r"needs pillow-heif, which is not installed: pip install 'mnistkit\[heif\]'"):
        load_image(path)


def test_a_photo_of_an_iphone_is_read(digits):
    heif = pytest.importorskip("pillow_heif")
    picture = PIL.Image.fromarray(np.kron(digits[0], np.ones((8, 8), np.uint8))).convert("RGB")
    file = io.BytesIO()
    heif.from_pillow(picture).save(file, quality=90)
    before = dict(PIL.Image.OPEN)
    loaded = load_image(file.getvalue())
    assert np.abs(loaded.astype(int) - np.asarray(picture.convert("L"))).mean() < 4
    assert before == PIL.Image.OPEN
    with pytest.raises(ImageError, match="cannot be read as an image"):
        load_image(file.getvalue()[:300])


def test_suffixes_are_those_that_pillow_opens_and_those_of_other_programs():
    assert {".png", ".jfif", ".jp2", ".avif", ".heic", ".dng"} <= image_suffixes()
    assert not {".pdf", ".h5", ".mpg", ".txt", ".csv", ""} & image_suffixes()


def test_a_grey_picture_of_0_and_1_is_the_array_that_it_was_saved_from(mnist, tmp_path):
    binary = (mnist.validation.images[0, 0].numpy() > 127).astype(np.uint8)
    PIL.Image.fromarray(binary).save(tmp_path / "binary.png")
    np.testing.assert_array_equal(load_image(tmp_path / "binary.png"), load_image(binary))
    # The noise of a photo in the dark is no ink.
    PIL.Image.fromarray(binary).save(tmp_path / "dark.jpg", quality=100)
    assert load_image(tmp_path / "dark.jpg").max() <= 1


def test_an_array_may_have_its_channels_first_as_a_tensor_has_them(mnist):
    stack = mnist.validation.images[:3].numpy()
    for found, picture in zip(images_in(stack), stack[:, 0], strict=True):
        np.testing.assert_array_equal(load_image(found), picture)
    assert [picture.shape for picture in images_in(np.zeros((2, 3, 28, 28)))] == [(28, 28, 3)] * 2
    assert [picture.shape for picture in images_in(np.zeros((2, 3, 28, 4)))] == [(3, 28, 4)] * 2


def test_a_table_with_labels_before_the_pixels_says_how_to_leave_them_out(mnist):
    table = np.column_stack([mnist.validation.labels[:5], mnist.validation.images[:5].flatten(1)])
    with pytest.raises(ImageError, match=r"each after its label; write array\[:, 1:\]\.reshape\(-1, 28, 28\)"):
        images_in(table)
    assert len(images_in(table[:, 1:].reshape(-1, 28, 28))) == 5
