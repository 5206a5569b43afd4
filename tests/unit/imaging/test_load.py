import gc
import io
import os
import random
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
import torch

from mnistkit.errors import BlankImageError, ImageError
from mnistkit.imaging import MAX_PIXELS, frame_image, image_files, load, load_image, to_numpy


@pytest.fixture(scope="module")
def digit(mnist):
    return mnist.test.images[0, 0].numpy()


def encode(picture, format, **options):
    file = io.BytesIO()
    if isinstance(picture, np.ndarray):
        picture = PIL.Image.fromarray(picture)
    picture.save(file, format, **options)
    return file.getvalue()


def drawn(colour, ink):
    """Ink of one colour on a transparent canvas, whose hidden pixels are of another."""
    pixels = np.empty((*ink.shape, 4), np.uint8)
    pixels[..., :3] = np.where(ink[..., None] > 0, np.uint8(colour), np.uint8((200, 10, 90)))
    pixels[..., 3] = ink
    return pixels


def transparent_palette(grey):
    picture = PIL.Image.fromarray(255 - grey).convert("P")
    return PIL.Image.open(io.BytesIO(encode(picture, "PNG", transparency=int(picture.getpixel((0, 0))))))


PIL_FORMS = {
    "L": lambda grey: PIL.Image.fromarray(grey),
    "LA": lambda grey: PIL.Image.fromarray(grey).convert("LA"),
    "La": lambda grey: PIL.Image.fromarray(grey).convert("LA").convert("La"),
    "P": lambda grey: PIL.Image.fromarray(grey).convert("RGB").quantize(256),
    "PA": lambda grey: PIL.Image.fromarray(grey).convert("PA"),
    "RGB": lambda grey: PIL.Image.fromarray(grey).convert("RGB"),
    "RGBX": lambda grey: PIL.Image.fromarray(grey).convert("RGB").convert("RGBX"),
    "RGBA": lambda grey: PIL.Image.fromarray(grey).convert("RGBA"),
    "RGBa": lambda grey: PIL.Image.fromarray(grey).convert("RGBA").convert("RGBa"),
    "CMYK": lambda grey: PIL.Image.fromarray(grey).convert("RGB").convert("CMYK"),
    "HSV": lambda grey: PIL.Image.fromarray(grey).convert("RGB").convert("HSV"),
    "I": lambda grey: PIL.Image.fromarray(grey).convert("I"),
    "I of 16 bits": lambda grey: PIL.Image.fromarray(grey.astype(np.int32) * 257),
    "I;16": lambda grey: PIL.Image.fromarray(grey.astype(np.uint16) * 257),
    "I;16 of 8 bits": lambda grey: PIL.Image.fromarray(grey.astype(np.uint16)),
    "I;16B": lambda grey: PIL.Image.fromarray(grey).convert("I").convert("I;16B"),
    "F to 255": lambda grey: PIL.Image.fromarray(grey.astype(np.float32)),
    "F to 65535": lambda grey: PIL.Image.fromarray(grey.astype(np.float32) * 257),
    "F to 1": lambda grey: PIL.Image.fromarray(np.float32(grey / 255)),
}
ARRAY_FORMS = {
    "HW": lambda grey: grey,
    "HW1": lambda grey: grey[..., None],
    "HW2, opaque": lambda grey: np.stack([grey, np.full_like(grey, 255)], -1),
    "HW3": lambda grey: np.stack([grey] * 3, -1),
    "HW4, opaque": lambda grey: np.stack([grey] * 3 + [np.full_like(grey, 255)], -1),
    "uint16": lambda grey: grey.astype(np.uint16) * 257,
    "big-endian uint16": lambda grey: (grey.astype(np.uint16) * 257).astype(">u2"),
    "uint16 HW3": lambda grey: np.stack([grey.astype(np.uint16) * 257] * 3, -1),
    "int64": lambda grey: grey.astype(np.int64),
    "int16": lambda grey: grey.astype(np.int16),
    "float64": lambda grey: grey / 255,
    "float32 HW3": lambda grey: np.stack([np.float32(grey / 255)] * 3, -1),
    "float16": lambda grey: (grey / 255).astype(np.float16),
    "Fortran order": np.asfortranarray,
    "backward strides": lambda grey: grey[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda grey: np.frombuffer(grey.tobytes(), np.uint8).reshape(grey.shape),
    "tensor HW": torch.tensor,
    "tensor 1HW": lambda grey: torch.tensor(grey)[None],
    "tensor 3HW": lambda grey: torch.tensor(grey).expand(3, -1, -1),
    "tensor 4HW, opaque": lambda grey: torch.stack([torch.tensor(grey)] * 3 + [torch.full(grey.shape, 255).byte()]),
    "tensor with a gradient": lambda grey: (torch.tensor(grey) / 255).requires_grad_(),
    "tensor of bfloat16": lambda grey: (torch.tensor(grey) / 255).bfloat16(),
}
INEXACT = {"tensor of bfloat16": 1}


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
@pytest.mark.parametrize("form", PIL_FORMS | ARRAY_FORMS)
def test_every_form_holds_the_same_grey_image(form, inverted, digit):
    grey = 255 - digit if inverted else digit
    image = (PIL_FORMS | ARRAY_FORMS)[form](grey)
    if form in PIL_FORMS:
        assert image.mode == form.split()[0]
    loaded = load_image(image)
    assert loaded.dtype == np.uint8
    assert loaded.shape == (28, 28)
    assert np.abs(loaded.astype(int) - grey).max() <= INEXACT.get(form, 0)
    assert np.abs(frame_image(loaded)[0].astype(int) - digit).max() <= INEXACT.get(form, 0)


def test_16_bits_become_8_as_shares_of_white():
    assert load_image(np.uint16([[0, 256, 257, 65534, 65535]])).tolist() == [[0, 0, 1, 254, 255]]


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_colour_spaces_with_a_lightness_lose_no_more_than_rounding(mode, digit):
    picture = PIL.Image.fromarray(digit).convert("RGB").convert(mode)
    assert np.abs(load_image(picture).astype(int) - digit).max() <= 1


@pytest.mark.parametrize("form", ["PIL", "bool array", "bool tensor"])
def test_two_levels_become_black_and_white(form, digit):
    ink = digit > 127
    image = {
        "PIL": PIL.Image.fromarray(digit).convert("1", dither=PIL.Image.Dither.NONE),
        "bool array": ink,
        "bool tensor": torch.tensor(ink),
    }[form]
    assert np.array_equal(load_image(image), np.uint8(ink) * 255)


def test_the_given_image_is_left_as_it_was(digit):
    array = digit / 255
    picture = PIL.Image.fromarray(digit).convert("LA")
    load_image(array)
    load_image(picture)
    assert np.array_equal(array, digit / 255)
    assert picture.mode == "LA"
    assert np.array_equal(picture.getchannel("L"), digit)


FILES = {
    "PNG": lambda grey: encode(grey, "PNG"),
    "PNG of 16 bits": lambda grey: encode(grey.astype(np.uint16) * 257, "PNG"),
    "PNG with a palette": lambda grey: encode(PIL.Image.fromarray(grey).convert("P"), "PNG"),
    "GIF": lambda grey: encode(grey, "GIF"),
    "BMP": lambda grey: encode(grey, "BMP"),
    "TIFF": lambda grey: encode(grey, "TIFF"),
    "TIFF of floats": lambda grey: encode(np.float32(grey / 255), "TIFF"),
    "compressed TIFF": lambda grey: encode(grey, "TIFF", compression="tiff_lzw"),
    "WebP": lambda grey: encode(PIL.Image.fromarray(grey).convert("RGB"), "WEBP", lossless=True),
    "PPM": lambda grey: encode(grey, "PPM"),
}


@pytest.mark.parametrize("format", FILES)
def test_every_lossless_format_keeps_the_image(format, digit):
    assert np.array_equal(load_image(FILES[format](digit)), digit)


def test_a_jpeg_comes_close(digit):
    assert np.abs(load_image(encode(digit, "JPEG", quality=95)).astype(int) - digit).max() < 25


class Stream(io.RawIOBase):
    """A file that can only be read forwards, as a download is."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.data.readinto(buffer)


class BytesPath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return os.fsencode(self.path)


@pytest.mark.parametrize(
    "source", ["str", "Path", "path of bytes", "bytes", "bytearray", "BytesIO", "read to its end", "file", "stream"]
)
def test_every_source_of_a_file_is_read(source, digit, tmp_path):
    path, data = tmp_path / "a digit ½.png", encode(digit, "PNG")
    path.write_bytes(data)
    with path.open("rb") as file:
        at_end = io.BytesIO(data)
        at_end.seek(0, io.SEEK_END)
        image = {
            "str": str(path),
            "Path": path,
            "path of bytes": BytesPath(path),
            "bytes": data,
            "bytearray": bytearray(data),
            "BytesIO": io.BytesIO(data),
            "read to its end": at_end,
            "file": file,
            "stream": Stream(data),
        }[source]
        assert np.array_equal(load_image(image), digit)
        assert not file.closed


def test_a_file_object_stays_open_and_can_be_read_again(digit):
    file = io.BytesIO(encode(digit, "PNG"))
    assert np.array_equal(load_image(file), load_image(file))


def test_an_opened_picture_is_decoded_when_it_is_needed(digit, tmp_path):
    path = tmp_path / "digit.png"
    path.write_bytes(encode(digit, "PNG"))
    with PIL.Image.open(path) as picture:
        assert np.array_equal(load_image(picture), digit)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_read_and_its_file_closed(format, digit, tmp_path):
    path = tmp_path / "animated"
    first, second = (PIL.Image.fromarray(grey).convert("RGB") for grey in (digit, 255 - digit))
    options = {"lossless": True} if format == "WEBP" else {}
    path.write_bytes(encode(first, format, save_all=True, append_images=[second, second], **options))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = load_image(path)
        gc.collect()
    assert np.array_equal(loaded, digit)
    assert not caught


def test_the_file_of_a_damaged_image_is_closed(digit, tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(encode(digit, "PNG")[:150])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ImageError):
            load_image(path)
        gc.collect()
    assert not caught


# What is stored, for an image that should be shown as `upright`, by the definition of the tag.
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, -1),
}


def rotated(grey, orientation, format):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    picture = PIL.Image.fromarray(np.ascontiguousarray(STORED.get(orientation, STORED[1])(grey)))
    if format == "WEBP":
        return encode(picture.convert("RGB"), format, exif=exif, lossless=True)
    return encode(picture, format, exif=exif)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [*STORED, 0, 9])
def test_a_photo_is_turned_upright(orientation, format, digit):
    upright = np.pad(digit, ((3, 9), (0, 20)))
    data = rotated(upright, orientation, format)
    assert np.array_equal(load_image(data), upright)
    assert np.array_equal(load_image(PIL.Image.open(io.BytesIO(data))), upright)


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize(("orientation", "expected"), [(None, 6), (3, 3)])
def test_where_exif_says_nothing_xmp_counts(orientation, expected, digit):
    upright = np.pad(digit, ((3, 9), (0, 20)))
    picture = PIL.Image.fromarray(np.ascontiguousarray(STORED[expected](upright)))
    exif = PIL.Image.Exif()
    exif[0x010E if orientation is None else 0x0112] = "a digit" if orientation is None else orientation
    xmp = PIL.PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", XMP)
    webp = encode(picture.convert("RGB"), "WEBP", exif=exif, xmp=XMP.encode(), lossless=True)
    for data in (encode(picture, "PNG", exif=exif, pnginfo=xmp), webp):
        assert np.array_equal(load_image(data), upright)


def test_a_jpeg_from_a_telephone_is_turned_upright(digit):
    upright = np.pad(digit, ((3, 9), (0, 20)))
    assert np.abs(load_image(rotated(upright, 6, "JPEG")).astype(int) - upright).mean() < 5


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"\xff" * 40,
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0" + struct.pack("<HHHIIHHII", 2, 0x010E, 2, 9999, 99, 0x0112, 3, 1, 1),
        b"MM\0*\0\0\0\x08" + struct.pack(">HHHI4sI", 1, 0x0112, 2, 4, b"top\0", 0),
    ],
    ids=["empty", "noise", "cut off", "points outside", "orientation in words"],
)
def test_broken_exif_is_ignored_without_a_warning(exif, digit):
    plain = encode(digit, "JPEG", quality=95)
    segment = b"Exif\0\0" + exif
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    assert np.array_equal(load_image(data), load_image(plain))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = PIL.Image.open(io.BytesIO(data))
    assert np.array_equal(load_image(picture), load_image(plain))


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_broken_exif_of_other_formats_is_ignored_without_a_warning(format, digit):
    options = {"lossless": True} if format == "WEBP" else {}
    picture = PIL.Image.fromarray(digit).convert("RGB")
    data = encode(picture, format, exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0e\x01\x02\0\x0f\x27\0\0\x63\0\0\0", **options)
    assert np.array_equal(load_image(data), digit)


def test_one_picture_of_a_stereo_camera_is_read_without_a_warning(digit):
    plain = encode(digit, "JPEG", quality=95)
    segment = b"MPF\0II*\0\x08\0\0\0\xff\xff"
    data = plain[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    assert np.array_equal(load_image(data), load_image(plain))


def test_the_programs_warnings_are_its_own_whatever_threads_read_pictures(digit):
    """A warning filter belongs to the whole program: one that is set in a thread and put back in another may stay for good."""
    photo = encode(np.kron(digit, np.ones((30, 30), np.uint8)), "PNG")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(load_image, photo) for _ in range(64)]
        seen = [list(warnings.filters) == before for future in reading for _ in [future.result()]]
    assert all(seen)
    assert list(warnings.filters) == before


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255), (255, 255, 0)])
@pytest.mark.parametrize("form", ["array", "tensor", "PNG", "premultiplied"])
def test_ink_of_any_colour_stands_out_from_a_transparent_canvas(colour, form, digit):
    pixels = drawn(colour, digit)
    picture = PIL.Image.fromarray(pixels)
    image = {
        "array": pixels,
        "tensor": torch.tensor(pixels).permute(2, 0, 1),
        "PNG": encode(picture, "PNG"),
        "premultiplied": picture.convert("RGBa"),
    }[form]
    frame = frame_image(load_image(image, channels=3))[0]
    # Where ink is half transparent its colour is rounded.
    assert np.abs(frame.astype(int) - digit).max() <= (0 if colour in {(0, 0, 0), (255, 255, 255)} else 4)


@pytest.mark.parametrize("colour", [(0, 0, 0), (90, 90, 90), (200, 200, 200), (255, 255, 255), (255, 0, 0)])
def test_ink_of_any_brightness_stands_out_from_a_transparent_canvas_in_grey(colour, digit):
    frame = frame_image(load_image(drawn(colour, digit)))[0]
    assert np.abs(frame.astype(int) - digit).mean() <= 12


@pytest.mark.parametrize("value", [0, 255])
def test_grey_with_alpha_stands_out_from_its_canvas(value, digit):
    pixels = np.stack([np.full_like(digit, value), digit], -1)
    assert np.array_equal(frame_image(load_image(pixels))[0], digit)
    assert np.array_equal(frame_image(load_image(PIL.Image.fromarray(pixels)))[0], digit)


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
@pytest.mark.parametrize("ink", [0, 255])
def test_a_colour_declared_transparent_is_paper(mode, ink, digit):
    """The transparent colour is the ink's own opposite in one case, and hardly differs from the ink in the other."""
    shape = digit > 127
    hidden = 255 - ink if mode == "1" else 128
    grey = np.where(shape, np.uint8(ink), np.uint8(hidden))
    picture = PIL.Image.fromarray(grey).convert(mode, dither=PIL.Image.Dither.NONE)
    key = picture.getpixel((0, 0))
    opened = PIL.Image.open(io.BytesIO(encode(picture, "PNG", transparency=key)))
    assert opened.mode == mode
    assert np.array_equal(load_image(opened), np.uint8(shape) * 255 if ink else np.uint8(~shape) * 255)


def test_a_gif_with_a_transparent_ground_is_read(digit):
    picture = transparent_palette(np.uint8(digit > 127) * 255)
    data = encode(picture, "GIF", transparency=picture.info["transparency"])
    assert np.array_equal(frame_image(load_image(data)), frame_image(np.uint8(digit > 127) * 255))


def test_nothing_visible_is_a_blank_image():
    with pytest.raises(BlankImageError, match="the image is blank: its strongest contrast is 0 of 255"):
        frame_image(load_image(np.zeros((28, 28, 4), np.uint8)))


def test_colours_are_kept_when_asked_for():
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    opaque = np.dstack([colours, np.full((9, 7), 255, np.uint8)])
    for image in (
        colours,
        opaque,
        PIL.Image.fromarray(colours),
        torch.tensor(colours).permute(2, 0, 1),
        encode(colours, "PNG"),
        colours / 255,
    ):
        assert np.array_equal(load_image(image, channels=3), colours)


def test_grey_becomes_three_equal_channels(digit):
    assert np.array_equal(load_image(digit, channels=3), np.stack([digit] * 3, -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_an_image_keeps_its_channels_where_none_are_asked_for(digit, mode):
    tall = np.tile(digit, (30, 1))  # more rows than are taken at a time
    file = io.BytesIO()
    PIL.Image.fromarray(tall).convert(mode).save(file, "PNG")
    pixels = load_image(file.getvalue(), channels=None)
    assert pixels.ndim == (2 if mode in {"1", "L"} else 3)
    assert np.array_equal(pixels if pixels.ndim == 3 else pixels[:, :, None].repeat(3, 2), load_image(file, channels=3))


def test_grey_is_the_usual_mixture_of_colours():
    colours = np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]])
    assert load_image(colours).tolist() == [[76, 149, 29, 255]] or load_image(colours).tolist() == [[76, 150, 29, 255]]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            None,
            "NoneType is not a kind of image; expected a path, bytes, a binary file, a PIL image, an array or a tensor",
        ),
        (7, "int is not a kind of image"),
        ({1, 2}, "set is not a kind of image"),
        ([[0, 1], [2]], "the list is not an array of pixels: "),
        ([["a"]], "the list holds <U1, expected numbers, or pictures"),
        (memoryview(b"abc"), "this content is not an image that can be read"),
        (b"", r"this content is not an image that can be read \(PNG, JPEG, BMP, GIF, TIFF, WebP"),
        (bytearray(b"hello, world"), "this content is not an image that can be read"),
        (io.BytesIO(b"<!doctype html><html>"), "this BytesIO is not an image that can be read"),
        (io.StringIO("text"), "opened as text"),
        ("no such.png", "^there is no image file no such.png$"),
        ("a\0b", "cannot be read as an image: .*null"),
        ("x" * 5000, r"^x{60}\.\.\. \(5,000 characters\) is not an image that can be read"),
        ("x/" * 150 + ".png", r"^(x/){30}\.\.\. \(304 characters\)|there is no image file"),
        (np.zeros(5), r"got an image of shape \(5,\), expected \(H, W\) or \(H, W, C\) with 1 to 4 channels"),
        (np.array(0.5), r"got an image of shape \(\), expected \(H, W\)"),
        (np.zeros((2, 9, 9, 3)), r"got an image of shape \(2, 9, 9, 3\), expected \(H, W\)"),
        (np.zeros((9, 9, 5)), r"got an image of shape \(9, 9, 5\), expected .* 1 to 4 channels"),
        (np.zeros((9, 9, 0)), r"got an image of shape \(9, 9, 0\), expected .* 1 to 4 channels"),
        (torch.zeros(10, 28, 26), r"got an image of shape \(10, 28, 26\), expected .* \(a tensor: \(C, H, W\)\)"),
        (np.zeros((0, 5)), "the image is empty: 5x0 pixels"),
        (torch.zeros(1, 4, 0), "the image is empty: 0x4 pixels"),
        (PIL.Image.new("L", (0, 3)), "the image is empty: 0x3 pixels"),
        (np.full((3, 3), 256.0), "got float64 pixels from 256 to 256, expected 0 to 1 or 0 to 255; scale them"),
        (
            torch.tensor([[0.0, 1.5]]),
            "got float32 pixels from 0 to 1.5, .*; if 1.5 is white, divide by it",
        ),
        (
            np.float32([[-0.42, 2.8]]),
            "got float32 pixels from -0.42 to 2.8, .*; a normalised image is wanted as it was before",
        ),
        (
            np.full((3, 3), 1e4),
            "got float64 pixels from 10000 to 10000, expected 0 to 1 or 0 to 255; scale them",
        ),
        (np.full((3, 3), np.nan), "got float64 pixels from nan to nan, expected 0 to 1"),
        (np.array([[0.5, np.nan]]), "got float64 pixels from nan to nan, expected 0 to 1.*; NaN has no brightness"),
        (np.full((3, 3), np.inf), "got float64 pixels from inf to inf, expected 0 to 1"),
        (np.full((3, 3), 65536), "got int64 pixels from 65536 to 65536, expected 0 to 255, or 0 to 65535; scale"),
        (
            np.full((3, 3), -1, np.int8),
            r"got int8 pixels from -1 to -1, .*; array - array.min\(\) begins with 0",
        ),
        (np.zeros((3, 3), object), "got object pixels, expected real numbers: uint8, or floats from 0 to 1"),
        (np.zeros((3, 3), complex), "got complex128 pixels, expected real numbers"),
        (torch.zeros(3, 3, dtype=torch.complex64), "got complex64 pixels, expected real numbers"),
        (np.full((3, 3), "ink"), "got <U3 pixels, expected real numbers"),
        (np.zeros((3, 3), "datetime64[s]"), r"got datetime64\[s\] pixels, expected real numbers"),
        (np.zeros((3, 3), [("grey", "u1")]), "pixels, expected real numbers"),
        (torch.zeros(3, 3).to_sparse(), "this Tensor has no pixels to read: .*Sparse"),
        (torch.zeros(3, 3, device="meta"), "this Tensor has no pixels to read: .*meta"),
        (
            PIL.Image.fromarray(np.float32([[0, np.nan]])),
            "the image is damaged, .*: it has pixels that are not numbers",
        ),
        (
            PIL.Image.fromarray(np.float32([[0, np.inf]])),
            "the image is damaged, .*: it has pixels that are not numbers",
        ),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(image, message):
    with pytest.raises(ImageError, match=message):
        load_image(image)


def test_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ImageError, match=f"^{tmp_path} cannot be read as an image: .*folder"):
        load_image(tmp_path)


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("seven")
    with pytest.raises(ImageError, match=f"^{path} is not an image that can be read"):
        load_image(path)


def test_a_closed_file_or_picture_is_refused(digit, tmp_path):
    path = tmp_path / "digit.png"
    path.write_bytes(encode(digit, "PNG"))
    with path.open("rb") as file, PIL.Image.open(path) as picture:
        pass
    with pytest.raises(ImageError, match=r"this BufferedReader cannot be read as an image: .*closed file"):
        load_image(file)
    with pytest.raises(ImageError, match="the image is damaged, or its file is closed: "):
        load_image(picture)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_a_truncated_file_is_refused_by_name(format, digit, tmp_path):
    path = tmp_path / "cut"
    data = encode(np.tile(digit, (4, 4)), format)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=f"^{path} cannot be read as an image: .*(truncated|file)"):
        load_image(path)


def test_an_opened_picture_with_a_truncated_file_is_refused(digit):
    picture = PIL.Image.open(io.BytesIO(encode(np.tile(digit, (4, 4)), "JPEG")[:900]))
    with pytest.raises(ImageError, match=r"the image is damaged, or its file is closed: .*truncated"):
        load_image(picture)


def test_an_error_without_words_is_named(digit):
    class Exhausted(io.BytesIO):
        def read(self, size=-1):
            raise MemoryError

    with pytest.raises(ImageError, match="this Exhausted cannot be read as an image: MemoryError"):
        load_image(Exhausted(encode(digit, "PNG")))


def test_postscript_is_refused_rather_than_run(digit):
    data = encode(PIL.Image.fromarray(digit), "EPS")
    with pytest.raises(ImageError, match="it is PostScript, a program that would have to be run; save it as PNG"):
        load_image(data)


def header_bomb(width, height):
    """A PNG of a few bytes that promises this many pixels."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (10_000, 8_001, "has 10000x8001 pixels, over 40 megapixels; scale it down"),
        (12_000, 10_000, "is larger than 40 megapixels; scale it down"),
        (60_000, 60_000, "is larger than 40 megapixels; scale it down"),
    ],
)
def test_a_bomb_is_not_decoded(width, height, message, tmp_path):
    assert width * height > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(header_bomb(width, height))
    with pytest.raises(ImageError, match=f"^{path} .*{message}"):
        load_image(path)


@pytest.mark.parametrize(
    "image",
    [
        np.broadcast_to(np.uint8(0), (10**5, 10**5)),
        np.broadcast_to(np.float64(0), (10**5, 10**5, 3)),
        torch.zeros(1).expand(3, 10**5, 10**5),
        torch.zeros(1, dtype=torch.uint8).expand(10**5, 10**5),
    ],
    ids=["array", "colour array", "colour tensor", "tensor"],
)
def test_an_image_too_large_is_refused_before_it_takes_memory(image):
    with pytest.raises(ImageError, match="the image has 100000x100000 pixels, over 40 megapixels; scale it down"):
        load_image(image)


def test_the_limit_counts_pixels(monkeypatch, digit):
    monkeypatch.setattr(load, "MAX_PIXELS", 28 * 28)
    assert load_image(digit).shape == (28, 28)
    assert load_image(PIL.Image.new("RGB", (14, 56))).shape == (56, 14)
    with pytest.raises(ImageError, match="the image has 29x28 pixels"):
        load_image(np.zeros((28, 29)))
    with pytest.raises(ImageError, match="the image has 1x785 pixels"):
        load_image(PIL.Image.new("1", (1, 785)))


def mutated(data, generator):
    damaged = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 8])):
        # Half of the damage goes to the header, where it hurts most.
        place = generator.randrange(min(len(damaged), 120) if generator.random() < 0.5 else len(damaged))
        match generator.randrange(5):
            case 0:
                damaged[place] ^= 1 << generator.randrange(8)
            case 1:
                damaged[place] = generator.choice([0, 127, 128, 255])
            case 2 if len(damaged) > 100:
                del damaged[place : place + generator.randrange(1, 20)]
            case 3:
                damaged[place:place] = generator.randbytes(generator.randrange(1, 9))
            case _ if len(damaged) > 100 and generator.random() < 0.2:
                del damaged[place:]
                damaged += b"\0" * 50
    return bytes(damaged)


def exif_of_a_camera():
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "a digit", 72.0
    return exif


VALID = {
    "PNG": lambda picture: encode(picture.convert("P"), "PNG", transparency=0),
    "PNG of 16 bits": lambda picture: encode(np.asarray(picture).astype(np.uint16) * 257, "PNG"),
    "JPEG": lambda picture: encode(picture, "JPEG", exif=exif_of_a_camera()),
    "progressive JPEG": lambda picture: encode(picture.convert("CMYK"), "JPEG", progressive=True),
    "GIF": lambda picture: encode(picture, "GIF", save_all=True, append_images=[picture.rotate(90)]),
    "BMP": lambda picture: encode(picture.convert("RGB"), "BMP"),
    "TIFF": lambda picture: encode(picture, "TIFF", exif=exif_of_a_camera()),
    "TIFF of floats": lambda picture: encode(picture.convert("F"), "TIFF", compression="tiff_lzw"),
    "WebP": lambda picture: encode(picture.convert("RGBA"), "WEBP", exif=exif_of_a_camera()),
    "DDS": lambda picture: encode(picture.convert("RGBA"), "DDS"),
    "ICO": lambda picture: encode(picture.convert("RGBA"), "ICO"),
    "PPM": lambda picture: encode(picture, "PPM"),
}


@pytest.mark.parametrize("format", VALID)
def test_a_damaged_file_is_read_or_refused_and_never_crashes(format, digit, monkeypatch):
    """Pillow's own exceptions are of a dozen kinds, and some come as warnings; one kind leaves this package."""
    monkeypatch.setattr(load, "MAX_PIXELS", 10**6)
    generator = random.Random(format)
    data = VALID[format](PIL.Image.fromarray(digit))
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        try:
            loaded = load_image(mutated(data, generator), channels=generator.choice([1, 3]))
        except ImageError:
            outcomes["refused"] += 1
        else:
            assert loaded.dtype == np.uint8
            assert loaded.size
            outcomes["read"] += 1
    assert min(outcomes.values()) > 0


def test_an_array_is_handed_on_as_it_is(digit):
    assert to_numpy(digit) is digit


def test_a_tensor_gets_its_channels_last():
    assert to_numpy(torch.zeros(4, 5)).shape == (4, 5)
    assert to_numpy(torch.zeros(3, 4, 5)).shape == (4, 5, 3)
    assert to_numpy(torch.zeros(2, 3, 4, 5)).shape == (2, 4, 5, 3)
    marked = torch.arange(24).view(2, 3, 4)
    assert to_numpy(marked)[2, 3].tolist() == marked[:, 2, 3].tolist()


def test_a_masked_pixel_has_no_value(digit):
    assert np.array_equal(load_image(np.ma.masked_array(digit)), digit)
    with pytest.raises(ImageError, match=r"the array has masked pixels, which have no value; give array\.filled\(0\)"):
        load_image(np.ma.masked_array(digit, mask=digit > 100))


@pytest.mark.parametrize(
    ("side", "scale"), [(None, 1), (5000, 1), (1600, 1), (800, 2), (801, 1), (400, 4), (300, 4), (200, 8), (10, 8)]
)
def test_a_large_jpeg_is_decoded_no_larger_than_needed(side, scale, digit):
    picture = PIL.Image.fromarray(np.kron(digit, np.ones((43, 57), np.uint8))).resize((1600, 1200))
    loaded = load_image(encode(picture, "JPEG", quality=95), side=side)
    assert loaded.shape == (1200 // scale, 1600 // scale)
    expected = np.asarray(picture.resize((1600 // scale, 1200 // scale), PIL.Image.Resampling.BOX))
    assert np.abs(loaded.astype(int) - expected).mean() < 2


def test_a_jpeg_over_the_limit_is_read_where_a_part_of_its_size_is_enough(monkeypatch, digit):
    monkeypatch.setattr(load, "MAX_PIXELS", 28 * 28 * 4)
    data = encode(np.kron(digit, np.ones((8, 8), np.uint8)), "JPEG")
    assert load_image(data, side=28).shape == (28, 28)
    with pytest.raises(ImageError, match="the image has 224x224 pixels"):
        load_image(data)


def test_a_large_jpeg_decoded_smaller_is_turned_upright(digit):
    upright = np.kron(np.pad(digit, ((3, 9), (0, 20))), np.ones((20, 20), np.uint8))
    loaded = load_image(rotated(upright, 6, "JPEG"), side=240)
    assert loaded.shape == (200, 240)
    assert np.abs(loaded.astype(int) - upright[2::4, 2::4]).mean() < 8


def test_other_formats_are_decoded_whole(digit):
    for format in ("PNG", "TIFF", "BMP", "WEBP"):
        assert load_image(encode(np.kron(digit, np.ones((20, 20), np.uint8)), format), side=28).shape == (560, 560)


def test_the_images_of_a_folder_come_in_the_order_of_their_paths(tmp_path):
    names = ["b.png", "a.JPG", "c/d.tiff", "c/a.webp", "B.bmp", "c/e/f.gif"]
    for name in [
        *names,
        "notes.txt",
        ".hidden.png",
        "._b.png",
        "c/.x.jpg",
        "png",
        "x.png.txt",
        "__MACOSX/b.png",
        "c/.a/b.png",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = sorted(tmp_path / name for name in names)
    assert image_files(tmp_path) == image_files(str(tmp_path)) == expected
    with pytest.raises(ImageError, match=r"none cannot be read: No such file"):
        image_files(tmp_path / "none")


def test_a_folder_with_the_name_of_a_picture_is_none(tmp_path):
    (tmp_path / "album.png").mkdir()
    (tmp_path / "album.png" / "1.png").touch()
    assert image_files(tmp_path) == [tmp_path / "album.png" / "1.png"]


@pytest.mark.parametrize("rows", [255, 256, 257, 600])
def test_a_tall_picture_of_16_bits_is_scaled_whole(rows):
    values = np.random.default_rng(0).integers(0, 65536, (rows, 3)).astype(np.uint16)
    loaded = load_image(PIL.Image.fromarray(values))
    assert np.array_equal(loaded, (values * (255 / 65535)).astype(np.uint8))


def test_a_large_jpeg_is_reduced_and_says_by_how_much_and_nothing_else_is():
    picture = np.full((900, 1200, 3), 200, np.uint8)
    pixels, reduced = load.load_reduced(encode(picture, "JPEG"), 400)
    assert (pixels.shape, reduced) == ((450, 600, 3), 2)
    for other, side in ((encode(picture, "JPEG"), 1000), (encode(picture, "PNG"), 400), (picture, 400)):
        pixels, reduced = load.load_reduced(other, side)
        assert (pixels.shape, reduced) == ((900, 1200, 3), 1)
