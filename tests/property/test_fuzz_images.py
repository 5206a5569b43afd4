"""Hostile pictures: damaged files, lying headers, arrays and PIL images of every kind; the only error is ImageError.

A hundred and sixty of them; ``MNISTKIT_FUZZ=5000 pytest tests/property/test_fuzz_images.py`` tries as many more.
"""

import io
import os
import random
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from mnistkit import Predictor
from mnistkit.errors import ImageError
from tests.peak import peak_memory

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("MNISTKIT_FUZZ", "160"))
GROUP = 40
# Far more than any of them needs, in seconds and in bytes: a hang and a bomb, not a slow machine.
PATIENCE, MEMORY = 120, 1_000_000_000
DTYPES = [
    "?",
    "u1",
    "u1",
    "u1",
    "i1",
    "u2",
    ">u2",
    "i4",
    "u8",
    "f2",
    "f4",
    ">f4",
    "f8",
    "g",
    "c8",
    "O",
    "U4",
    "S2",
    "M8[s]",
    "V3",
    "u1,f4",
]
MODES = [
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBX",
    "RGBA",
    "RGBa",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "I;16",
    "I;16B",
    "I;16L",
]


def encode(picture, format, **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def exif():
    tags = PIL.Image.Exif()
    tags[0x0112], tags[0x010E], tags[0x011A] = 6, "a digit", 72.0
    return tags


@pytest.fixture(scope="module")
def reader():
    return Predictor(device="cpu")


@pytest.fixture(scope="module")
def page(mnist):
    """Six digits in two lines on grey paper, uint8 (80, 104)."""
    digits = 255 - mnist.validation.images[:6, 0].numpy()
    lines = [np.concatenate(digits[:3], axis=1), np.concatenate(digits[3:], axis=1)]
    return np.minimum(np.pad(np.concatenate(lines), ((12, 12), (10, 10)), constant_values=255), 230)


@pytest.fixture(scope="module")
def files(page):
    """Intact files of every common format."""
    grey = PIL.Image.fromarray(page)
    colour, clear = grey.convert("RGB"), grey.convert("RGBA")
    clear.putalpha(PIL.Image.fromarray(255 - page))
    deep = PIL.Image.fromarray(page.astype(np.uint16) * 257)
    return [
        encode(grey, "PNG"),
        encode(clear, "PNG"),
        encode(deep, "PNG"),
        encode(grey.convert("P"), "PNG", transparency=0),
        encode(grey.convert("1"), "PNG"),
        encode(grey, "JPEG", quality=30, exif=exif()),
        encode(colour, "JPEG", progressive=True),
        encode(colour.convert("CMYK"), "JPEG"),
        encode(grey, "GIF", save_all=True, append_images=[grey.rotate(90)]),
        encode(colour, "BMP"),
        encode(grey, "TIFF", exif=exif()),
        encode(grey.convert("F"), "TIFF", compression="tiff_lzw"),
        encode(deep, "TIFF", compression="tiff_deflate"),
        encode(clear, "WEBP", exif=exif()),
        encode(colour, "WEBP", lossless=True),
        encode(clear, "ICO"),
        encode(clear, "DDS"),
        encode(colour, "PPM"),
    ]


def with_checksums(data):
    """A PNG whose damage is not given away by its checksums."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    repaired, place = bytearray(data), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        repaired[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(repaired)


def damaged(data, generator):
    """Bits turned over, bytes left out, put in and replaced; half of it in the header, where it hurts most."""
    data = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 4, 16])):
        place = generator.randrange(min(len(data), 120) if generator.random() < 0.5 else len(data))
        match generator.randrange(5):
            case 0:
                data[place] ^= 1 << generator.randrange(8)
            case 1:
                data[place] = generator.choice([0, 1, 127, 128, 255])
            case 2 if len(data) > 100:
                del data[place : place + generator.randrange(1, 40)]
            case 3:
                data[place:place] = generator.randbytes(generator.randrange(1, 9))
            case _:
                data[place : place + 4] = generator.randbytes(4)
    return with_checksums(bytes(data)) if generator.random() < 0.7 else bytes(data)


def cut_off(data, generator):
    return data[: generator.randrange(len(data))] + generator.choice([b"", b"\0" * 100, generator.randbytes(50)])


def spliced(data, generator, files):
    other = generator.choice(files)
    return with_checksums(data[: generator.randrange(len(data))] + other[generator.randrange(len(other)) :])


def png(width, height, depth=8, colour=0, pixels=b"", extra=()):
    """A PNG of any size in its header, whose pixels are what zlib is told to unpack."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bmp(width, height):
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, width, height, 1, 24, 0, 6, 0, 0, 0, 0) + bytes(6)


def gif(width, height):
    size = struct.pack("<HH", width % 65536, height % 65536)
    return b"GIF89a" + size + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0" + size + b"\0\x02\x02\x44\x01\0;"


def pgm(width, height):
    return b"P5 %d %d 255\n" % (width, height) + bytes(50)


def tiff(width, height):
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, height)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(50)


def lying(generator):
    """A header whose size has nothing to do with what follows."""
    sides = [0, 1, 2, 3, 1000, 9000, 65_535, 2**20, 2**31 - 1]
    return generator.choice([png, bmp, gif, pgm, tiff])(generator.choice(sides), generator.choice(sides))


def numbers(generator, page):
    """An array of any dtype, shape, values and strides."""
    values = page.astype(np.int64) if generator.random() < 0.5 else shapeless(generator)
    values = np.asarray(
        generator.choice(
            [values, values, values / 255, values / 255, values > 200, values * 257, values - 128, values * 1e6]
        )
    )
    dtype = generator.choice(DTYPES)
    with np.errstate(all="ignore"):
        array = values.astype("i8").view(dtype) if dtype == "M8[s]" else values.astype("O" if dtype == "V3" else dtype)
    if array.dtype.kind in "fc" and array.size and generator.random() < 0.3:
        array.flat[generator.randrange(array.size)] = generator.choice([np.nan, np.inf, -np.inf, -1, 1e-300])
    match generator.randrange(7):
        case 0 if array.ndim:
            return array[::-1]
        case 1:
            return array.T
        case 2 if array.ndim > 1:
            return array[:, ::2]
        # Five channels are none: it is a stack, and should not be one of thousands.
        case 3 if array.ndim == 2 and array.size < 10_000:
            return np.broadcast_to(array[..., None], (*array.shape, generator.choice([1, 2, 3, 4, 5])))
        case 4:
            return np.ma.masked_array(array, mask=False)
        case 5 if array.dtype.kind in "buifc" and array.dtype.isnative and array.dtype.char != "g":
            return tensor_of(array, generator)
        case _:
            return array


def shapeless(generator):
    """Noise of 0 to 5 dimensions, some of which are empty or very long, int64."""
    ndim = generator.choice([0, 1, 2, 2, 2, 2, 2, 3, 3, 4, 5])
    sides = [0, 1, 2, 3, 4, 5, *[generator.randrange(60) if ndim < 4 else 3] * 6]
    shape = [generator.choice(sides) for _ in range(ndim)]
    if ndim == 2 and generator.random() < 0.2:
        shape[generator.randrange(2)] = generator.choice([5000, 40_000, 300_000])
    return np.asarray(np.random.default_rng(generator.getrandbits(32)).integers(0, 256, shape))


def tensor_of(array, generator):
    tensor = torch.tensor(array)
    match generator.randrange(6):
        case 0 if tensor.dtype == torch.float32:
            return tensor.to_sparse()
        case 1:
            return tensor.to("meta")
        case 2 if tensor.is_floating_point() or tensor.is_complex():
            return tensor.requires_grad_()
        case 3:
            return tensor.bool() if tensor.is_complex() else tensor.bfloat16()
        case 4 if tensor.is_complex():
            return tensor.conj()
        case _:
            return tensor


def drawn(generator, page):
    """A PIL image of any mode, size and metadata."""
    mode = generator.choice(MODES)
    size = generator.choice([0, 1, 2, 28, 300]), generator.choice([0, 1, 2, 28, 5000])
    picture = PIL.Image.new(mode, size) if generator.random() < 0.3 else page_in(mode, page)
    if mode == "F" and generator.random() < 0.5 and picture.width:
        picture = PIL.Image.fromarray(np.where(page > 200, np.float32(generator.choice([np.nan, np.inf, -5, 1e30])), 0))
    if generator.random() < 0.3:
        picture.info["transparency"] = generator.choice([0, 255, (0, 0, 0), b"\0\xff", "none", None, -7, 3.5])
    if generator.random() < 0.3:
        picture.getexif()[0x0112] = generator.choice([0, 1, 5, 6, 8, 9, 65_535])
    if generator.random() < 0.1:
        picture.close()
    return picture


def page_in(mode, page):
    """PIL has no direct way between some modes."""
    picture = PIL.Image.fromarray(page)
    for way in (
        [mode],
        ["RGB", mode],
        ["RGBA", mode],
        ["LA", mode],
        ["I", mode],
        ["I", "I;16", mode],
        ["RGB", "LAB", mode],
    ):
        try:
            result = picture
            for step in way:
                result = result.convert(step)
        except (ValueError, OSError):
            continue
        return result
    return PIL.Image.new(mode, picture.size)


class Failing(io.BytesIO):
    """A file on a disk that fails half way."""

    def read(self, *arguments):
        if self.tell() > 40:
            raise OSError(5, "Input/output error")
        return super().read(*arguments)


def other(generator, files):
    """What is no image, or hardly one."""
    closed = io.BytesIO(files[0])
    closed.close()
    return generator.choice(
        [
            None, 7, 2.5, object(), {}, {"a": 1}, set(), b"", bytearray(), "", os.devnull, "a\0b", "x" * 5000,
            memoryview(files[0]),
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage", b"<svg/>", b"PK\3\4" + bytes(50), closed,
            Failing(files[5]), Failing(files[10]), io.StringIO("text"), type, [[None]], [files[0], None], ["no.png"],
            generator.randbytes(300), zlib.compress(files[0]), np.bool_(True), torch.zeros(()), np.float64(0.5),
        ]
    )  # fmt: skip


def noisy(generator):
    """An intact picture of what no camera sees."""
    random_state = np.random.default_rng(generator.getrandbits(32))
    height, width = (generator.choice([1, 2, 3, 7, 28, 60, 200, 500]) for _ in range(2))
    noise = random_state.normal(size=(height, width))
    pixels = generator.choice(
        [
            np.clip(128 + 60 * noise, 0, 255),
            255 * (noise > generator.uniform(-2, 3)),
            255 * (np.indices((height, width)).sum(0) % generator.choice([2, 3, 9]) == 0),
            255 * (np.arange(width) % 7 < 3) + np.zeros((height, 1)),
            np.linspace(0, 255, height)[:, None] + np.zeros(width),
            np.cumsum(noise, axis=generator.randrange(2)) * 10 % 256,
        ]
    )
    return np.asarray(pixels).astype(np.uint8)


def hostile(number, files, page):
    """The picture of that number and what it is: always the same."""
    generator = random.Random(number)
    data = generator.choice(files)
    match number % 8:
        case 0 | 1:
            return "damaged", damaged(data, generator)
        case 2:
            return "cut off", cut_off(data, generator)
        case 3:
            return "spliced", spliced(data, generator, files) if generator.random() < 0.6 else lying(generator)
        case 4 | 5:
            return "array", numbers(generator, page)
        case 6:
            return "PIL", drawn(generator, page)
        case _:
            return "other", other(generator, files) if generator.random() < 0.5 else noisy(generator)


def check_prediction(prediction):
    assert prediction.label in range(10)
    assert abs(sum(prediction.probabilities) - 1) < 1e-9
    assert (prediction.frame.dtype, prediction.frame.shape) == (np.uint8, (28, 28))


def check_predict(reader, image):
    result = reader.predict(image)
    for prediction in result if isinstance(result, list) else [result]:
        check_prediction(prediction)


def check_reject(reader, image):
    result = reader.predict(image, coverage=0.98)
    for prediction in result if isinstance(result, list) else [result]:
        check_prediction(prediction)
        assert prediction.rejected is None or prediction.rejected


def check_read(reader, image):
    reading = reader.read(image)
    height, width = (side * reading.scale for side in reading.picture.shape[:2])
    assert len(reading.text) == len(reading.digits)
    for digit in reading.digits:
        check_prediction(digit.prediction)
        left, top, right, bottom = digit.box
        assert 0 <= left < right <= width + 1
        assert 0 <= top < bottom <= height + reading.scale + 1


def check_explain(reader, image):
    explanation = reader.explain(image)
    check_prediction(explanation.prediction)
    assert np.array_equal(explanation.stages["frame"], explanation.prediction.frame)
    assert all(stage.dtype == np.uint8 and stage.size for stage in explanation.stages.values())


@pytest.fixture
def _no_hang():
    def give_up(*_):
        raise AssertionError(f"no answer after {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_no_hang")
@pytest.mark.parametrize("first", range(0, COUNT, GROUP))
def test_a_hostile_picture_is_read_or_refused(first, reader, files, page):
    before = peak_memory()
    outcomes = []
    for number in range(first, first + GROUP):
        # Eight pictures are one of each kind; what they share on their way is tried with every second eight.
        for check in (check_predict, check_read) if number // 8 % 2 else (check_reject, check_explain):
            kind, image = hostile(number, files, page)
            signal.alarm(PATIENCE)
            try:
                check(reader, image)
            except ImageError:
                outcomes.append("refused")
            except BaseException as error:
                error.add_note(f"picture {number} ({kind}) in {check.__name__}: {image!r:.300}")
                raise
            else:
                outcomes.append("read")
    assert {"read", "refused"} == set(outcomes)
    assert peak_memory() - before < MEMORY


BOMBS = """
import sys
from mnistkit.errors import ImageError
from mnistkit.imaging import load_image
from tests.peak import peak_memory

before = peak_memory()
for path in sys.argv[1:]:
    try:
        load_image(path)
    except ImageError as error:
        print(error)
    else:
        raise AssertionError(f"{path} was read")
assert "torch" not in sys.modules
print(peak_memory() - before)
"""


@pytest.mark.processes
def test_a_bomb_is_refused_before_it_takes_memory(tmp_path):
    """Bytes to kilobytes that would unpack to hundreds of megabytes and more."""
    black = zlib.compress(bytes(100_000_000), 9)
    bombs = {
        "honest.png": png(10_000, 10_000, pixels=bytes(100_010_000)),
        "deep.png": png(30_000, 30_000, 16, 6),
        "wide.png": png(2**31 - 1, 1),
        "palette.png": png(40_000, 40_000, 1, 3),
        "bomb.pgm": pgm(90_000, 90_000),
        "bomb.bmp": bmp(60_000, 60_000),
        "bomb.gif": gif(65_535, 65_535),
        "bomb.tif": tiff(60_000, 60_000),
        # Comments and a colour profile of 100 megabytes in a picture of one pixel.
        "text.png": png(1, 1, pixels=b"\0\0", extra=[(b"zTXt", b"comment\0\0" + black)]),
        "international.png": png(1, 1, pixels=b"\0\0", extra=[(b"iTXt", b"comment\0\1\0\0\0" + black)]),
        "profile.png": png(1, 1, pixels=b"\0\0", extra=[(b"iCCP", b"profile\0\0" + black)]),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    files = [str(tmp_path / name) for name in bombs]
    done = subprocess.run([sys.executable, "-c", BOMBS, *files], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *messages, growth = done.stdout.splitlines()
    assert [message for message in messages[:8] if "40 megapixels; scale it down" not in message] == []
    assert all("cannot be read as an image: " in message for message in messages[8:])
    assert int(growth) < 60_000_000
