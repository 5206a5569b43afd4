import gzip
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from mnistkit.data import read_idx, write_idx
from mnistkit.errors import DataError, IdxFormatError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
HEADER = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4)
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images-idx3-ubyte"


@pytest.mark.parametrize("kind", CODES)
def test_the_bytes_written_are_those_of_the_format(path, kind):
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=kind)
    write_idx(path, array)
    header = bytes([0, 0, CODES[kind], 2, 0, 0, 0, 2, 0, 0, 0, 3])
    assert path.read_bytes() == header + array.astype(f">{kind}").tobytes()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("order", "<>")
def test_an_array_of_either_byte_order_comes_back_in_the_machines_own(path, kind, order):
    array = np.array([0, 1, 100], dtype=order + kind)
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == np.dtype(kind)
    assert back.dtype.isnative
    assert back.tolist() == [0, 1, 100]


def test_gzip_is_recognised_by_content_not_by_name(tmp_path):
    named, unnamed = tmp_path / "a.gz", tmp_path / "b"
    write_idx(named, IMAGES)
    write_idx(unnamed, IMAGES)
    assert gzip.decompress(named.read_bytes()) == unnamed.read_bytes() == HEADER + IMAGES.tobytes()
    swapped_plain, swapped_packed = tmp_path / "plain.gz", tmp_path / "packed"
    swapped_plain.write_bytes(unnamed.read_bytes())
    swapped_packed.write_bytes(named.read_bytes())
    for file in (named, unnamed, swapped_plain, swapped_packed):
        np.testing.assert_array_equal(read_idx(file, ndim=3), IMAGES)


def packed_with_long_name(length):
    """A gzip file of so many bytes, most of them the original file's name."""
    packer = zlib.compressobj(wbits=-15)
    content = HEADER + IMAGES.tobytes()
    body = packer.compress(content) + packer.flush() + struct.pack("<2I", zlib.crc32(content), len(content))
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (length - len(body) - 11) + b"\0" + body


def test_a_gzip_file_with_a_long_name_inside_is_read(path):
    path.write_bytes(packed_with_long_name(300_000))
    np.testing.assert_array_equal(read_idx(path), IMAGES)


@pytest.mark.parametrize("length", [2**k for k in range(12, 21)])
def test_what_follows_a_gzip_stream_is_seen_wherever_reading_pauses(path, length):
    path.write_bytes(packed_with_long_name(length))
    np.testing.assert_array_equal(read_idx(path), IMAGES)
    path.write_bytes(packed_with_long_name(length) + b"x")
    with pytest.raises(IdxFormatError, match="more follows the end of its gzip stream"):
        read_idx(path)


def test_a_file_larger_than_one_chunk_is_read_whole(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (700, 28, 28), dtype=np.uint8)
    for name in ("raw", "packed.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(read_idx(tmp_path / name), array)


def test_no_images_are_a_valid_file(path):
    write_idx(path, np.empty((0, 28, 28), dtype=np.uint8))
    assert read_idx(path, ndim=3).shape == (0, 28, 28)


def test_what_is_read_can_be_written_to(path):
    write_idx(path, IMAGES)
    images = read_idx(path)
    images[:] = 1
    np.testing.assert_array_equal(read_idx(path), IMAGES)


def test_a_missing_file_is_an_ordinary_file_not_found(path):
    with pytest.raises(FileNotFoundError, match=path.name):
        read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it begins with nothing, expected 00 00, a type code"),
        (b"\0\0\x08", r"not an IDX file: it begins with 00 00 08, expected"),
        (
            b"PK\x03\x04" + bytes(60),
            r"not an IDX file: it begins with 50 4b 03 04, expected 00 00, a type code \(08, 09",
        ),
        (b"\0\x01\x08\x03" + bytes(20), "begins with 00 01 08 03"),
        (b"\0\0\x0a\x01" + bytes(20), "begins with 00 00 0a 01"),
        (b"\0\0\x08\0" + bytes(20), "begins with 00 00 08 00, expected .* number of dimensions from 1 to 32"),
        (b"\0\0\x08\x64" + b"\0\0\0\x01" * 100 + b"x", "begins with 00 00 08 64, expected .* from 1 to 32"),
        (b"<!DOCTYPE html><html>404 Not Found", "is a web page, not an IDX file: .*; delete it and get it again"),
        (b"\n  <HTML><body>Log in to the network", "is a web page, not an IDX file"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "is a web page, not an IDX file"),
        (HEADER[:4], "truncated inside its header; delete it and get it again"),
        (HEADER[:-1], "truncated inside its header"),
        (HEADER, r"truncated: the header says \(2, 3, 4\), 24 bytes, but there are 0; delete it and get it again"),
        (HEADER + bytes(23), r"truncated: the header says \(2, 3, 4\), 24 bytes, but there are 23"),
        (HEADER + bytes(25), r"too long: the header says \(2, 3, 4\), 24 bytes, but more follow; delete it and get it"),
        (
            bytes([0, 0, 14, 1]) + struct.pack(">I", 2**29 + 1),
            r"says \(536870913,\), over the limit of 4 GiB; the file is",
        ),
        (
            b"\0\0\x08\x03" + b"\xff" * 12,
            r"the header says \(4294967295, 4294967295, 4294967295\), over the limit of 4 GiB",
        ),
        (b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8, r"the header says \(0, 4294967295, 4294967295\), over the limit"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
def test_a_bad_file_is_refused_by_name(path, content, message, packed):
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(IdxFormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_web_page_saved_as_gz_is_called_one(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_text("<!doctype html>\n<title>503 Service Unavailable</title>")
    with pytest.raises(IdxFormatError, match=r"train-images-idx3-ubyte\.gz is a web page.*an error page; delete it"):
        read_idx(path)


def test_another_number_of_dimensions_suggests_swapped_files(path):
    write_idx(path, np.arange(5, dtype=np.uint8))
    with pytest.raises(IdxFormatError, match="has 1 dimensions, expected 3: are images and labels swapped"):
        read_idx(path, ndim=3)


@pytest.mark.parametrize("kept", [2, 9, 10, -9, -8, -1])
def test_a_truncated_gzip_file_is_called_one(path, kept):
    path.write_bytes(gzip.compress(HEADER + IMAGES.tobytes())[:kept])
    with pytest.raises(IdxFormatError, match=f"{path.name} is a truncated gzip file; delete it and get it again"):
        read_idx(path)


@pytest.mark.parametrize("position", [2, 3, -8, -4])
def test_a_gzip_file_with_a_flipped_byte_is_damaged(path, position):
    content = bytearray(gzip.compress(HEADER + IMAGES.tobytes()))
    content[position] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(IdxFormatError, match=rf"{path.name} is a damaged gzip file \(Error -3 .*\); delete it and"):
        read_idx(path)


@pytest.mark.parametrize("rest", [b"x", bytes(300_000), gzip.compress(b"more")], ids=["byte", "zeros", "member"])
def test_what_follows_a_gzip_stream_makes_it_too_long(path, rest):
    path.write_bytes(gzip.compress(HEADER + IMAGES.tobytes()) + rest)
    with pytest.raises(IdxFormatError, match=f"{path.name} is too long: more follows the end of its gzip stream"):
        read_idx(path)


def test_a_gzip_bomb_does_not_fill_memory(path):
    packer = zlib.compressobj(9, wbits=31)
    million = bytes(2**20)
    bomb = packer.compress(HEADER) + b"".join(packer.compress(million) for _ in range(256)) + packer.flush()
    assert len(bomb) < 2**20
    path.write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(IdxFormatError, match="is too long"):
            read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros(3, dtype=np.int64),
            "cannot hold int64 with 1 dimensions; use one of uint8, int8, int16, int32, float32",
        ),
        (np.zeros(3, dtype=bool), "cannot hold bool"),
        (np.zeros(3, dtype=np.float16), "cannot hold float16"),
        (np.uint8(3), "cannot hold uint8 with 0 dimensions"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(path, array, message):
    with pytest.raises(IdxFormatError, match=message):
        write_idx(path, np.asarray(array))
    assert not path.exists()


def test_more_dimensions_than_can_be_read_are_not_written(path):
    write_idx(path, np.ones((1,) * 32, dtype=np.uint8))
    assert read_idx(path).shape == (1,) * 32
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(IdxFormatError, match="cannot hold uint8 with 33 dimensions"):
            write_idx(path, np.ones((1,) * 33, dtype=np.uint8))


def test_the_error_is_a_data_error_and_a_value_error(path):
    path.write_bytes(b"nonsense")
    with pytest.raises(IdxFormatError) as caught:
        read_idx(path)
    assert isinstance(caught.value, DataError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 3


def test_what_only_looks_like_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, kind in ((tmp_path, "folder"), (tmp_path / "pipe", "pipe"), ("/dev/zero", "device")):
        with pytest.raises(IdxFormatError, match=f"{name} cannot be read: it is a {kind}"):
            read_idx(name)
    with pytest.raises(IdxFormatError, match="cannot be read"):
        read_idx("a\0b")


@pytest.mark.parametrize("packed", [False, True])
def test_what_a_header_claims_is_not_allocated(path, packed):
    claim = bytes([0, 0, 0x0D, 1]) + (2**30 - 1).to_bytes(4, "big") + bytes(100)
    path.write_bytes(gzip.compress(claim) if packed else claim)
    tracemalloc.start()
    try:
        with pytest.raises(IdxFormatError, match="truncated"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
