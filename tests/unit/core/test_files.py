"""What a path or a moment can do to a file that is being written; `test_checkpoint.py` has full disks and killed writers."""

import os

import pytest

from mnistkit._core.files import write_atomically
from mnistkit.errors import CheckpointError


def test_the_folder_is_made_and_no_other_file_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    for data in (b"first", b"", b"longer than the first"):
        write_atomically(path, data)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_place_of_the_file_stays(tmp_path):
    with pytest.raises(CheckpointError, match=f"^cannot write {tmp_path}: Is a directory; choose a folder that can be"):
        write_atomically(tmp_path, b"data")
    assert tmp_path.is_dir()
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_a_file_in_the_place_of_the_folder_stays(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        CheckpointError, match=r"file/deep/a\.safetensors: Not a directory; choose a folder that can be"
    ):
        write_atomically(tmp_path / "file" / "deep" / "a.safetensors", b"data")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", [".", "/"])
def test_a_path_without_a_file_name_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"^cannot write {name}: "):
        write_atomically(name, b"data")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="File name too long; choose a folder that can be written"):
        write_atomically(tmp_path / ("a" * 253), b"data")


def test_ctrl_c_while_writing_leaves_no_other_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
