"""Every writer, told to write where something else already is: devices, pipes, sockets, folders, links, files of others."""

import errno
import os
import random
import signal
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from mnistkit import Classifier, CSVLogger, Report, Trainer, create_model, evaluate, imaging, load_mnist
from mnistkit.cli import main
from mnistkit.data import DigitDataset, write_idx
from mnistkit.errors import MnistkitError
from tests.hostile import Outcome, cases, report

PATIENCE = 30
OLD = b"what was there before"
PICTURE = Path(imaging.__file__).with_name("samples") / "seven.png"


class Hung(BaseException):
    """Nobody catches it by mistake."""


def give_up(*_: object) -> None:
    raise Hung


def log_a_run(path: Path, train: DigitDataset) -> None:
    Trainer(create_model("mlp", hidden=(4,)), callbacks=[CSVLogger(path, overwrite=True)], progress=False).fit(
        train, epochs=1
    )


def predict_into(option: str, path: Path) -> None:
    # Exit codes from 1 on come with a message of the library's own, as `main` has caught the error.
    if main(["predict", str(PICTURE), option, str(path)]) not in (0, None):
        raise MnistkitError("refused by the command line")


def writers(classifier: Classifier, found: Report, train: DigitDataset) -> dict[str, Callable[[Path], object]]:
    return {
        "Classifier.save": classifier.save,
        "Report.save": found.save,
        "Report.save_html": found.save_html,
        "write_idx": lambda path: write_idx(path, train.images[:3, 0].numpy()),
        "CSVLogger": lambda path: log_a_run(path, train),
        "predict --csv": lambda path: predict_into("--csv", path),
    }


def device(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # another /dev/null


def full_device(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 7))  # another /dev/full


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def folder(path: Path) -> None:
    path.mkdir()
    (path / "kept.txt").write_bytes(OLD)


def file_of_some_mode(path: Path) -> None:
    path.write_bytes(OLD)
    path.chmod(0o640)


def link_to(make: Callable[[Path], object] | None) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        target = path.with_name("elsewhere") / "target"
        target.parent.mkdir()
        if make:
            make(target)
        path.symlink_to(target)

    return link


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def hard_link(path: Path) -> None:
    path.write_bytes(OLD)
    os.link(path, path.with_name("second-name"))


def planted(path: Path) -> None:
    """A link at the names that a careless writer uses meanwhile."""
    (path.with_name("elsewhere")).write_bytes(OLD)
    for name in (f".{path.name}.tmp", f"{path.name}.tmp", f".{path.name}.part", f"{path.name}~"):
        path.with_name(name).symlink_to("elsewhere")


TARGETS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a file": file_of_some_mode,
    "a device": device,
    "a full device": full_device,
    "a pipe": os.mkfifo,
    "a socket": listening,
    "a folder": folder,
    "a link to nothing": link_to(None),
    "a link to a file": link_to(file_of_some_mode),
    "a link to a device": link_to(device),
    "a link to a pipe": link_to(os.mkfifo),
    "a link to a folder": link_to(folder),
    "a link to itself": loop,
    "a file with two names": hard_link,
    "links at temporary names": planted,
}


def picture_of(root: Path) -> dict[str, tuple[int, int, str]]:
    """Kind, device number and link target of all that is there."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        target = str(path.readlink()) if path.is_symlink() else ""
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), status.st_rdev, target)
    return found


def wrongs(
    root: Path, path: Path, before: dict[str, tuple[int, int, str]], mode: int | None, refused: bool
) -> list[str]:
    """What is not as it should be after the write."""
    after = picture_of(root)
    wrong = [f"{name} was {before[name]}, is {after.get(name)}" for name in before if after.get(name) != before[name]]
    named = {str(path.relative_to(root)), "elsewhere/target"}
    wrong += [f"{name} was left" for name in after if name not in before and name not in named]
    for kept in ("elsewhere", "target/kept.txt", "elsewhere/target/kept.txt"):
        file = root / kept
        if file.is_file() and kept in before and kept != "elsewhere/target" and file.read_bytes() != OLD:
            wrong.append(f"{kept} was overwritten")
    if path.is_file():
        if refused and before.get(path.name, (0, 0, ""))[0] == stat.S_IFREG and path.read_bytes() != OLD:
            wrong.append("refused, and overwritten all the same")
        if not refused and path.read_bytes() in (b"", OLD):
            wrong.append("nothing was written")
        if mode is not None and stat.S_IMODE(path.stat().st_mode) != mode:
            wrong.append(f"the mode was {mode:o}, is {stat.S_IMODE(path.stat().st_mode):o}")
    return wrong


def run_case(write: Callable[[Path], object], make: Callable[[Path], object], root: Path) -> list[str] | None:
    """What went wrong; None where the system does not let us make such a target."""
    path = root / "target"
    try:
        make(path)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOTSUP):
            return None
        raise
    before = picture_of(root)
    mode = stat.S_IMODE(path.stat().st_mode) if path.is_file() else None
    signal.alarm(PATIENCE)
    try:
        write(path)
    except MnistkitError:
        return wrongs(root, path, before, mode, refused=True)
    except Hung:
        return [f"no end after {PATIENCE} s"]
    except BaseException as error:  # noqa: BLE001  (whatever else comes out is the failure)
        return [f"{type(error).__name__}: {error}", *wrongs(root, path, before, mode, refused=True)]
    finally:
        signal.alarm(0)
    return wrongs(root, path, before, mode, refused=False)


def run(seed: int, seconds: float) -> Outcome:
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, give_up)
    train, _, test = load_mnist()
    doors = writers(Classifier.pretrained(), evaluate(create_model("mlp", hidden=(4,)), test[:50]), train[:64])
    # First each writer at each target, then at random for as long as there is time.
    pairs = [(door, target) for door in doors for target in TARGETS]
    random.Random(seed).shuffle(pairs)
    tried = failed = 0
    for number, chance in cases(seed, seconds):
        door, target = pairs[number] if number < len(pairs) else chance.choice(pairs)
        with tempfile.TemporaryDirectory() as root:
            wrong = run_case(doors[door], TARGETS[target], Path(root))
        if wrong is None:
            continue
        tried += 1
        if wrong:
            failed += 1
            report(seed, number, f"{door} to {target}: {'; '.join(wrong)}")
    return Outcome(tried, failed, f"{min(tried, len(pairs))} of {len(pairs)} pairs of writer and target")
