import io

import hypothesis.extra.numpy as arrays
import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mnistkit.errors import BlankImageError, ImageError
from mnistkit.imaging import find_ink, frame_image, load, load_image

BOUNDED = settings(max_examples=50)
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]

greys = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
# Real images are mostly paper: few levels, and long runs of one of them.
sketches = st.builds(
    lambda shape, paper, marks: marked(np.full(shape, paper, np.uint8), marks),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 255),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4, st.integers(0, 255)), max_size=6),
)
margins = st.tuples(*[st.integers(1, 30)] * 4)


def marked(paper, marks):
    height, width = paper.shape
    for top, left, tall, wide, grey in marks:
        row, column = int(top * (height - 1)), int(left * (width - 1))
        paper[row : row + 1 + int(tall * height / 2), column : column + 1 + int(wide * width / 2)] = grey
    return paper


@pytest.fixture(scope="module")
def digit(mnist):
    """From a number below 400 to an image; a function, because a failing example prints all that it was given."""
    return mnist.test.take_per_class(40).images[:, 0].numpy().__getitem__


@pytest.fixture(scope="module", autouse=True)
def _no_huge_images():
    """A damaged header may promise an image of up to the limit, and its decoding takes time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "MAX_PIXELS", 10**6)
        yield


@BOUNDED
@given(index=st.integers(0, 399), margins=margins, inverted=st.booleans())
def test_a_digit_is_framed_the_same_wherever_it_is_and_whichever_its_polarity(digit, index, margins, inverted):
    top, bottom, left, right = margins
    canvas = np.pad(digit(index), ((top, bottom), (left, right)))
    assert np.array_equal(frame_image(255 - canvas if inverted else canvas)[0], digit(index))


@BOUNDED
@given(index=st.integers(0, 399), paper=st.integers(0, 255), ink=st.integers(0, 255))
def test_a_digit_is_framed_alike_on_any_grey(digit, index, paper, ink):
    """Half a level of grey is much of a pale digit: an edge that vanishes scales and shifts what remains."""
    assume(abs(paper - ink) >= 40)
    grey = np.rint(paper + digit(index) / 255.0 * (ink - paper)).astype(np.uint8)
    assert np.corrcoef(frame_image(grey).ravel(), digit(index).ravel())[0, 1] > 0.65


@BOUNDED
@given(grey=greys | sketches, coloured=st.booleans())
def test_ink_has_the_shape_of_the_image_and_plain_paper_has_none(grey, coloured):
    ink = find_ink(np.stack([grey, grey, 255 - grey], -1) if coloured else grey)
    assert ink.shape == grey.shape
    assert ink.dtype == np.uint8
    if not coloured and np.ptp(grey) == 0:
        assert not ink.any()


@BOUNDED
@given(grey=greys | sketches, height=st.integers(2, 50), width=st.integers(2, 50))
def test_every_image_makes_a_frame_or_is_blank(grey, height, width):
    try:
        frame = frame_image(grey, size=(height, width))
    except BlankImageError:
        return
    assert frame.shape == (1, height, width)
    assert frame.dtype == np.uint8
    assert frame.max() >= 250
    rows, columns = frame[0].nonzero()
    assert max(np.ptp(rows), np.ptp(columns)) + 1 <= round(min(height, width) * 20 / 28)


@BOUNDED
@given(grey=greys | sketches, height=st.integers(1, 50), width=st.integers(1, 50))
def test_every_image_can_be_resized_whole(grey, height, width):
    frame = frame_image(grey, size=(height, width), framing="resize")
    assert frame.shape == (1, height, width)
    assert frame.dtype == np.uint8


shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
things = st.none() | st.integers(-1, 300) | st.floats() | st.sampled_from(["a", "7"])


@BOUNDED
@given(
    array=arrays.arrays(arrays.scalar_dtypes(), shapes) | arrays.arrays(object, shapes, elements=things),
    channels=st.sampled_from([1, 3]),
)
def test_any_array_is_an_image_or_refused(array, channels):
    try:
        loaded = load_image(array, channels=channels)
    except ImageError:
        return
    assert array.dtype.kind in "buif"
    assert loaded.dtype == np.uint8
    assert loaded.shape == array.shape[:2] + ((3,) if channels == 3 else ())


@BOUNDED
@given(grey=greys, bits=st.sampled_from(["u1", "u2", "i4", "i8", "f2", "f4", "f8"]))
def test_numbers_of_any_width_hold_the_same_image(grey, bits):
    white = {"u2": 65535, "f2": 1, "f4": 1, "f8": 1}.get(bits, 255)
    # Integers of 0 and 1 alone are black and white, and numbers that need 14 bits or fewer are a camera's.
    assume(grey.max() > {255: 1, 65535: 63}.get(white, -1))
    array = (grey / 255 * white).round().astype(bits) if white != 1 else (grey / 255).astype(bits)
    assert np.array_equal(load_image(array), grey)


@BOUNDED
@given(grey=greys, mode=st.sampled_from(MODES), format=st.sampled_from(["PNG", "TIFF"]))
def test_a_file_holds_what_the_picture_held(grey, mode, format):
    picture = PIL.Image.fromarray(grey).convert("RGB" if mode in {"P", "RGBA"} else "L").convert(mode)
    file = io.BytesIO()
    picture.save(file, format)
    assert np.array_equal(load_image(file), load_image(picture))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    format=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=4),
)
def test_a_damaged_file_is_an_image_or_refused(digit, format, damage):
    file = io.BytesIO()
    PIL.Image.fromarray(digit(0)).convert("RGB").save(file, format)
    data = bytearray(file.getvalue())
    for place, put, cut in damage:
        start = int(place**2 * len(data))  # squared: more of it in the header
        data[start : start + cut] = put
    try:
        loaded = load_image(bytes(data))
    except ImageError:
        return
    assert loaded.dtype == np.uint8
    assert loaded.ndim == 2


@BOUNDED
@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(ImageError, match=r"this content|the data URL data:"):
        load_image(data)
