"""What a path or a moment can do to a file that is being written; `test_checkpoint.py` has full disks and killed writers."""

import contextlib
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import mnistkit
from mnistkit._core.files import open_regular, package_data, replacing, require_writable, user_path, write_atomically
from mnistkit.errors import ConfigError, MnistkitError, WriteError

ROOT = os.geteuid() == 0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_made_and_no_other_file_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    for data in (b"first", b"", b"longer than the first"):
        write_atomically(path, data)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]


def test_a_tilde_is_a_home_and_one_that_is_none_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_atomically("~/a", b"at home")
    assert (tmp_path / "a").read_bytes() == b"at home"
    assert user_path("~nobody-of-this-name/a").parts[0] == "~nobody-of-this-name"


# ---- what is there ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def special(kind, path):
    """Something at a path that is no file."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            yield
        return
    yield


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "socket"])
def test_what_is_no_file_is_refused_and_stays(tmp_path, monkeypatch, kind, linked):
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    path = tmp_path / "link" if linked else tmp_path / "it"
    with special(kind, tmp_path.joinpath("it").relative_to(tmp_path)):
        if linked:
            path.symlink_to("it")
        before, there = os.lstat(tmp_path / "it"), names(tmp_path)
        for write in (lambda: write_atomically(path, b"data"), lambda: require_writable(path)):
            with pytest.raises(
                WriteError, match=f"^cannot write {path}: it is a {kind}, expected a file; choose a folder"
            ):
                write()
        after = os.lstat(tmp_path / "it")
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
        assert names(tmp_path) == there


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/file")
    for data in (b"made", b"replaced"):
        write_atomically(tmp_path / "link", data)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "far" / "file").read_bytes() == data
    assert names(tmp_path / "far") == ["file"]


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError, match=f"^cannot write {tmp_path}/a: Too many levels of symbolic links; "):
        write_atomically(tmp_path / "a", b"data")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_of_a_file_stays(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    path.chmod(mode)
    with replacing(path) as file:
        assert not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077, "while it is written nobody else can read it"
        file.write(b"after")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"after", mode)


def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path):
    script = f"import os; os.umask(0o027); from mnistkit._core.files import *; write_atomically({str(tmp_path / 'a')!r}, b'')"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_the_owner_of_a_file_stays(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    os.chown(path, 12345, 23456)
    write_atomically(path, b"after")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_file_in_the_place_of_the_folder_stays(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WriteError, match=r"file/deep/a\.safetensors: Not a directory; choose a folder that can be"):
        write_atomically(tmp_path / "file" / "deep" / "a.safetensors", b"data")
    assert (tmp_path / "file").read_text() == "mine"


# ---- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".", "/"])
def test_a_path_without_a_file_name_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WriteError, match=f"^cannot write {name}: it is a folder"):
        write_atomically(name, b"data")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 256, "a/" * 2500, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    for use in (lambda path: write_atomically(path, b"data"), require_writable):
        with pytest.raises(WriteError, match=r"File name too long|embedded null"):
            use(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 255, "\x1b[31m", "a\nb", os.fsdecode(b"\xff\xfe"), "=1+1", "-", "~x"])
def test_any_name_that_a_file_can_have_will_do(tmp_path, name):
    write_atomically(tmp_path / name, b"data")
    assert names(tmp_path) == [name]


def test_a_name_cannot_speak_to_the_terminal(tmp_path):
    (tmp_path / "\x1b[31m\n").mkdir()
    with pytest.raises(WriteError) as caught:
        write_atomically(tmp_path / "\x1b[31m\n", b"data")
    assert str(caught.value).startswith(f"cannot write {tmp_path}/\\x1b[31m\\n: it is a folder")


# ---- open streams -----------------------------------------------------------------------------------------------------


def python(script, *, command="{} -c {!r}"):
    return subprocess.run(
        ["bash", "-c", command.format(sys.executable, script)], capture_output=True, text=True, check=False
    )


WRITE = "from mnistkit._core.files import write_atomically as w; print(1); w({path!r}, b'2\\n'); print(3)"


def test_standard_output_is_written_through_and_keeps_what_it_has(tmp_path):
    script = WRITE.format(path="/dev/stdout")
    log = tmp_path / "log"
    log.write_text("0\n")
    assert python(script).stdout == "1\n2\n3\n"
    python(script, command="{} -c {!r} >> " + str(log))
    assert log.read_text() == "0\n1\n2\n3\n"
    python(script, command="{} -c {!r} > " + str(log))
    assert log.read_text() == "1\n2\n3\n"


def test_other_open_streams_and_the_null_device_are_written_through(tmp_path):
    assert python(WRITE.format(path="/dev/stderr")).stderr == "2\n"
    assert python(WRITE.format(path="/dev/fd/7"), command="{} -c {!r} 7> >(cat >&2)").stderr == "2\n"
    null = Path(os.devnull)
    before = null.stat()
    write_atomically(null, b"data")
    assert (null.stat().st_ino, null.is_char_device()) == (before.st_ino, True)
    with pytest.raises(WriteError, match=r"^cannot write /dev/fd/987: Bad file descriptor"):
        write_atomically("/dev/fd/987", b"data")


# ---- while it is written ----------------------------------------------------------------------------------------------


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


def test_an_error_of_the_library_s_own_is_passed_on(tmp_path):
    with pytest.raises(MnistkitError, match=r"^mine$"), replacing(tmp_path / "a"):
        raise MnistkitError("mine")
    assert not list(tmp_path.iterdir())


def test_the_file_and_the_folder_are_synced(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor)), fsync(descriptor)))
    write_atomically(tmp_path / "a", b"data")
    assert [status.st_ino for status in synced] == [(tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino]


def test_names_cannot_be_foreseen_and_links_planted_there_are_not_followed(tmp_path):
    seen = set()
    for _ in range(3):
        with replacing(tmp_path / "a"):
            (name,) = [name for name in names(tmp_path) if name != "a"]
            seen.add(name)
            assert re.fullmatch(r"\.mnistkit-[0-9a-f]{16}\.tmp", name)
    assert len(seen) == 3


def test_writers_of_one_file_never_meet(tmp_path):
    """The last to end wins; what is there is always whole."""
    path, contents = tmp_path / "a", [bytes([number]) * 200_000 for number in range(3)]
    write_atomically(path, contents[0])
    done = threading.Event()

    def write(data):
        while not done.is_set():
            write_atomically(path, data)

    writers = [threading.Thread(target=write, args=(data,)) for data in contents]
    for writer in writers:
        writer.start()
    torn = [data for data in (path.read_bytes() for _ in range(2000)) if data not in contents]
    done.set()
    for writer in writers:
        writer.join()
    assert not torn
    assert names(tmp_path) == ["a"]


KILLED = """
import os, signal, sys
from mnistkit._core.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    print("writing", flush=True)
    {end}
"""


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    def start(end):
        command = [sys.executable, "-c", KILLED.format(end=end), str(tmp_path / "a")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        return process

    with start("sys.stdin.read()") as alive:
        with start("os.kill(os.getpid(), signal.SIGKILL)"):
            pass
        assert len(names(tmp_path)) == 2
        write_atomically(tmp_path / "b", b"data")
        assert len(names(tmp_path)) == 2
        alive.stdin.close()
    assert names(tmp_path) == ["a", "b"]


def test_a_pipe_among_the_leftovers_holds_nobody(tmp_path):
    os.mkfifo(tmp_path / ".mnistkit-0.tmp")
    write_atomically(tmp_path / "a", b"data")
    assert names(tmp_path) == [".mnistkit-0.tmp", "a"]


# ---- reading ----------------------------------------------------------------------------------------------------------


def test_only_files_are_read(tmp_path):
    write_atomically(tmp_path / "a", b"data")
    with open_regular(tmp_path / "a") as file:
        assert file.read() == b"data"
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "pipe"), ("/dev/zero", "device"), (tmp_path, "folder")):
        with pytest.raises(OSError, match=f"it is a {kind}, expected a file"):
            open_regular(path)


@pytest.mark.parametrize("names", [("data", "none.gz"), ("models", "none")])
def test_a_package_without_its_data_says_how_to_take_them_along(names):
    with pytest.raises(ConfigError, match=r"none.*is not there.*--collect-data mnistkit.*pip install"):
        package_data(*names)


def test_a_frozen_program_without_the_data_says_so_at_each_door(tmp_path):
    """As PyInstaller makes it without the package's hook: the folders are there, and only code in them."""
    package = Path(mnistkit.__file__).parent
    shutil.copytree(
        package, tmp_path / "mnistkit", ignore=lambda _, found: {n for n in found if Path(n).suffix not in ("", ".py")}
    )
    program = """
from mnistkit import Predictor, load_mnist
from mnistkit.errors import ConfigError
from mnistkit.imaging import sample_picture
for door in (load_mnist, Predictor, lambda: sample_picture("seven")):
    try:
        door()
    except ConfigError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.count("--collect-data mnistkit") == 3, done.stderr
