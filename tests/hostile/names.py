"""Pictures whose names are any bytes, through the command line: nothing is lost, nothing is obeyed by a terminal or a sheet."""

import contextlib
import csv
import io
import json
import os
import random
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

import torch

from mnistkit import imaging
from mnistkit.cli import main
from tests.hostile import Outcome, cases, report

PICTURE = Path(imaging.__file__).with_name("samples") / "seven.png"
LONGEST = 255
PARTS = [
    b"a", b"7", b" ", b"  ", b".", b"..", b"-", b"--json", b"=1+1", b"+1", b"@x", b"'", b'"', b"`id`", b"$(id)", b";", b"|",
    b"*", b"?", b"[0-9]", b"%s", b"{0}", b"{x}", b"\\", b"\\n", b",", b"\t", b"\n", b"\r", b"\r\n", b"~", b"<b>", b"&", b"#",
    b"\x07", b"\x1b[2J", b"\x1b]0;x\x07", b"\x7f", b"\x80", b"\xff", b"\xfe\xff", b"\xed\xa0\x80", "\x9b31m".encode(),
    "é".encode(), "e\u0301".encode(), "数字".encode(), "\u202e".encode(), "\u2028".encode(), "\u200b".encode(),
    "\U0001f600".encode(), "\uff1d1".encode(),
]  # fmt: skip
# As Python opens its streams in a terminal of today, and in one that knows no more than ASCII.
ENCODINGS = [("utf-8", "strict"), ("ascii", "strict"), ("utf-8", "surrogateescape")]


def name_of(chance: random.Random) -> bytes:
    name = b"".join(chance.choice(PARTS) for _ in range(chance.randint(1, 6)))
    if chance.random() < 0.1:
        name += bytes(chance.randrange(1, 256) for _ in range(chance.randint(1, 20)))
    if chance.random() < 0.05:
        name = name.ljust(LONGEST - 4, chance.choice([b"a", b"\xff", b"\n"]))
    return name.replace(b"/", b"_").replace(b"\0", b"_")[: LONGEST - 4] + b".png"


def obeyed(text: str) -> list[str]:
    """The signs in it that a terminal obeys; the lines' own ends and the columns' blanks aside."""
    return sorted(
        {sign for sign in text if sign != "\n" and unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    )


def command(arguments: list[str], encoding: tuple[str, str]) -> tuple[int, str]:
    """The exit code and the standard output of a command in this process."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding[0], encoding[1], write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    output, errors = (stream.buffer.getvalue().decode(encoding[0], "surrogateescape") for stream in streams)
    if found := obeyed(output + errors):
        raise AssertionError(f"printed {found!r}")
    if code:
        raise AssertionError(f"exit code {code}: {errors[-300:]!r}")
    return code, output


def check(root: Path, chance: random.Random) -> None:
    """Some pictures of the same content: each command answers for each of them."""
    names = {name_of(chance) for _ in range(chance.randint(1, 4))}
    folders = [root / "one", root / "other"]
    paths = []
    for folder in folders:
        folder.mkdir()
        for name in sorted(names):
            path = os.fsencode(folder) + b"/" + name
            shutil.copyfile(PICTURE, path)
            paths.append(os.fsdecode(path))
    encoding = chance.choice(ENCODINGS)
    os.chdir(root)
    if chance.random() < 0.5:
        paths = [os.path.relpath(path) for path in paths]
    match chance.choice(["plain", "json", "csv", "explain", "read", "relative"]):
        case "plain":
            _, output = command(["predict", *paths], encoding)
            assert len(output.splitlines()) >= len(paths), "a picture has no line"
        case "json":
            _, output = command(["predict", "--json", *paths], encoding)
            text = json.dumps(json.loads(output))
            assert text.count('"label"') >= len(paths), "a picture has no answer"
        case "csv":
            command(["predict", *paths, "--csv", str(root / "out.csv")], encoding)
            with (root / "out.csv").open(newline="", encoding="utf-8") as file:
                _, *rows = list(csv.reader(file))
            assert len(rows) == len(paths), f"{len(rows)} rows for {len(paths)} pictures"
            for cell in (cell for row in rows for cell in row):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), f"a formula: {cell!r}"
                assert not obeyed(cell), f"a control character: {cell!r}"
        case "explain":
            command(["predict", *paths, "--explain", str(root / "why")], encoding)
            made = [path for path in (root / "why").rglob("*") if path.is_file()]
            assert len(made) == len(paths), f"{len(made)} figures for {len(paths)} pictures"
        case "read":
            command(["read", paths[0]], encoding)
        case "relative":
            os.chdir(folders[0])
            # As a shell gives it, with `--` before what may begin with a hyphen.
            command(["predict", "--", *map(os.fsdecode, sorted(names))], encoding)


def run(seed: int, seconds: float) -> Outcome:
    torch.set_num_threads(1)
    home = Path.cwd()
    tried = failed = 0
    for number, chance in cases(seed, seconds):
        with tempfile.TemporaryDirectory() as root:
            try:
                check(Path(root), chance)
            except BaseException as error:  # noqa: BLE001  (whatever comes is the failure)
                failed += 1
                files = [os.fsencode(path.name) for path in (Path(root) / "one").iterdir()]
                report(seed, number, f"{type(error).__name__}: {error}; files {files}")
                if isinstance(error, KeyboardInterrupt):
                    sys.exit(1)
            finally:
                os.chdir(home)
        tried += 1
    return Outcome(tried, failed)
