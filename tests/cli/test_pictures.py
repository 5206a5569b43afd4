"""The commands `predict` and `read`, with the weights that ship."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from mnistkit import Predictor, cli


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def reader():
    return Predictor(device="cpu")


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def album(tmp_path, mnist):
    """A folder with three digits, the last of them in a folder below, and a letter to somebody."""
    folder = tmp_path / "album"
    for name, digit in (("1.png", 7), ("2.jpg", 4), ("more/3.bmp", 0)):
        save(folder / name, 255 - np.pad(mnist.validation.only(digit).images[0, 0].numpy(), 10))
    (folder / "dear.png").write_text("Dear Sir")
    return folder


@pytest.fixture
def blank(tmp_path):
    return save(tmp_path / "blank.png", np.full((50, 50), 240, np.uint8))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_read_in_order_and_what_is_unreadable_is_said(run, album):
    code, output, error = run("predict", album)
    assert code == 5
    files = [line.partition(": ")[0] for line in output.splitlines()]
    assert files == [str(album / name) for name in ("1.png", "2.jpg", "more/3.bmp")]
    assert [line.partition(": ")[2][0] for line in output.splitlines()] == ["7", "4", "0"]
    first, last = error.splitlines()
    assert first.startswith(f"mnistkit: {album / 'dear.png'} is not an image that can be read")
    assert last == "mnistkit: 1 of 4 pictures could not be read"


def test_files_and_folders_can_be_mixed(run, album, blank):
    (album / "dear.png").unlink()
    code, output, error = run("predict", album / "more", album / "1.png", album)
    assert (code, error) == (0, "")
    assert [line.partition(": ")[2][0] for line in output.splitlines()] == ["0", "7", "7", "4", "0"]


def test_an_empty_folder_is_an_error(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, output, error = run("predict", tmp_path / "empty")
    assert (code, output) == (2, "")
    assert error == f"mnistkit: there are no pictures in the folder {tmp_path / 'empty'}\n"


def test_csv_has_a_line_for_each_picture(run, album, reader, tmp_path, monkeypatch):
    monkeypatch.setattr("mnistkit._core.progress._SECONDS_BETWEEN_LINES", 0.0)
    target = tmp_path / "new" / "out.csv"
    code, output, error = run("predict", album, "--csv", target)
    assert (code, output) == (5, "")
    assert [line.partition(" after")[0] for line in error.splitlines() if "pictures after" in line] == [
        f"{number} of 4 pictures" for number in (1, 2, 3, 4)
    ]
    assert "\r" not in error
    rows = rows_of(target)
    assert list(rows[0]) == ["file", "label", "name", "confidence", "rejected", "error"]
    assert [row["file"] for row in rows] == [str(album / name) for name in ("1.png", "2.jpg", "dear.png", "more/3.bmp")]
    assert [row["label"] for row in rows] == ["7", "4", "", "0"]
    assert "is not an image that can be read" in rows[2]["error"]
    assert float(rows[0]["confidence"]) == pytest.approx(reader.predict(album / "1.png").confidence, abs=1e-4)
    assert not any(row["rejected"] for row in rows)
    assert list(target.parent.iterdir()) == [target]


def test_csv_with_json_reports_the_counts(run, album, tmp_path):
    code, output, _ = run("predict", album, "--csv", tmp_path / "out.csv", "--json")
    assert code == 5
    assert json.loads(output) == {"count": 4, "failed": 1, "csv": str(tmp_path / "out.csv")}


def test_a_csv_file_that_cannot_be_written_leaves_nothing_behind(run, album, tmp_path):
    (tmp_path / "taken").mkdir()
    code, output, error = run("predict", album, "--csv", tmp_path / "taken")
    assert (code, output) == (8, "")
    assert error.splitlines()[-1].startswith(f"mnistkit: cannot write {tmp_path / 'taken'}: it is a folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "taken"]


def test_a_folder_for_the_csv_that_cannot_be_made_is_named(run, album, tmp_path):
    target = album / "1.png" / "out.csv"
    code, _, error = run("predict", album / "2.jpg", "--csv", target)
    assert code == 8
    assert f"mnistkit: cannot write {target}: " in error


def test_an_interrupted_csv_does_not_replace_an_earlier_one(run, album, tmp_path, monkeypatch):
    target = tmp_path / "out.csv"
    target.write_text("yesterday's")

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "stream", interrupted)
    code, _, error = run("predict", album, "--csv", target)
    assert (code, error) == (130, "mnistkit: interrupted\n")
    assert target.read_text() == "yesterday's"


def test_rejection_is_reported_everywhere(run, album, blank, tmp_path):
    (album / "dear.png").unlink()
    code, output, error = run("predict", album, blank, "--coverage", "0.98")
    assert (code, error) == (0, "")
    assert output.splitlines()[-1] == f"{blank}: rejected: there is no ink in it"
    assert "rejected" not in output.splitlines()[0]
    run("predict", album, blank, "--coverage", "0.98", "--csv", tmp_path / "out.csv")
    assert [row["rejected"] for row in rows_of(tmp_path / "out.csv")] == ["", "", "", "there is no ink in it"]
    _, output, _ = run("predict", album, blank, "--coverage", "0.98", "--json")
    assert [row["rejected"] for row in json.loads(output)["predictions"]] == [None] * 3 + ["there is no ink in it"]


@pytest.mark.parametrize("options", [[], ["--csv", "out.csv"]])
def test_a_share_that_is_none_is_refused(run, album, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output, error = run("predict", album, "--coverage", "1.5", *options)
    assert (code, output) == (2, "")
    assert error.splitlines()[-1].startswith("mnistkit: coverage is 1.5, expected the share of good pictures to answer")
    assert not (tmp_path / "out.csv").exists()


def test_explanations_are_saved_as_pictures(run, album, tmp_path):
    folder = tmp_path / "why"
    code, _, _ = run("predict", album, "--explain", folder)
    assert code == 5
    assert sorted(path.name for path in folder.iterdir()) == ["1.png", "2.png", "3.png"]
    for path in folder.iterdir():
        with PIL.Image.open(path) as picture:
            assert picture.width > 3 * picture.height


def test_explanations_of_pictures_of_one_name_are_numbered(run, album, tmp_path):
    (album / "dear.png").unlink()
    for folder in ("a", "b"):
        save(tmp_path / folder / "Same.png", np.asarray(PIL.Image.open(album / "1.png")))
    save(tmp_path / "a" / "same.jpg", np.asarray(PIL.Image.open(album / "1.png")))
    why = tmp_path / "why"
    assert run("predict", tmp_path / "a", tmp_path / "b", "--explain", why, "--csv", tmp_path / "x.csv")[0] == 0
    assert len({path.name.casefold() for path in why.iterdir()}) == 3
    assert len(rows_of(tmp_path / "x.csv")) == 3


def test_an_explanation_replaces_nothing(run, album):
    before = (album / "1.png").read_bytes()
    code, output, error = run("predict", album / "1.png", "--explain", album)
    assert (code, output) == (2, "")
    assert error == f"mnistkit: {album / '1.png'} is there already; give another folder than {album}\n"
    assert (album / "1.png").read_bytes() == before


# ---- names of strangers -----------------------------------------------------------------------------------------------

NAMES = [b"\x1b[31m\n7.png", b"\xff\xfe.png", b"l" * 251 + b".png", "\uff1d数字 7.png".encode(), b"=1+1.png", b"~x.png"]


@pytest.fixture
def strange(tmp_path, album):
    """Copies of a picture of a 7 under names that a stranger might choose."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes((album / "1.png").read_bytes())
    return folder


def test_any_name_is_read_and_nothing_of_it_reaches_the_terminal(run, strange, tmp_path):
    code, output, error = run("predict", strange, "--explain", tmp_path / "why")
    assert (code, error) == (0, "")
    assert [line.rpartition(": ")[2][0] for line in output.splitlines()] == ["7"] * len(NAMES)
    assert "\x1b" not in output
    assert f"{strange}/\\x1b[31m\\n7.png: 7" in output
    assert f"{strange}/\\udcff\\udcfe.png: 7" in output
    assert len(list((tmp_path / "why").iterdir())) == len(NAMES)
    for path in strange.iterdir():
        path.write_text("Dear Sir")
    code, output, error = run("predict", strange)
    assert (code, output, len(error.splitlines())) == (5, "", len(NAMES) + 1)
    assert "\x1b" not in error


def test_any_name_stands_in_the_csv_and_is_no_formula(run, strange, tmp_path, monkeypatch):
    monkeypatch.chdir(strange)
    code, _, error = run("predict", *sorted(path.name for path in strange.iterdir()), "--csv", tmp_path / "out.csv")
    assert (code, error) == (0, "")
    rows = rows_of(tmp_path / "out.csv")
    assert [row["label"] for row in rows] == ["7"] * len(NAMES)
    names = {row["file"] for row in rows}
    assert {"'=1+1.png", "'\uff1d数字 7.png", r"\x1b[31m\n7.png", r"\udcff\udcfe.png", "~x.png"} < names


def test_json_has_names_as_they_are(run, strange):
    code, output, _ = run("predict", strange, "--json")
    assert code == 0
    assert output.isascii()
    assert {row["file"] for row in json.loads(output)["predictions"]} == {
        str(strange / os.fsdecode(name)) for name in NAMES
    }


def test_a_terminal_that_lacks_a_letter_gets_an_escape(strange, tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    command = [sys.executable, "-m", "mnistkit", "predict", os.fsencode(strange) + b"/" + NAMES[3]]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\uff1d\\u6570\\u5b57 7.png: 7" in done.stdout


# ---- standard input and output ----------------------------------------------------------------------------------------


@pytest.fixture
def standard_input(monkeypatch):
    """Gives bytes to the commands."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("command", ["predict", "read"])
def test_a_dash_is_standard_input(run, album, standard_input, command):
    standard_input((album / "1.png").read_bytes())
    code, output, error = run(command, "-", "--json")
    report = json.loads(output)
    assert (code, error) == (0, "")
    row = report["predictions"][0] if command == "predict" else report["digits"][0] | {"file": report["file"]}
    assert (row["file"], row.get("name") or row["digit"]) == ("-", "7")


def test_standard_input_can_stand_among_files(run, album, standard_input, tmp_path):
    standard_input((album / "2.jpg").read_bytes())
    code, output, _ = run("predict", album / "1.png", "-", "--explain", tmp_path / "why")
    assert code == 0
    assert [line.rpartition(": ")[2][0] for line in output.splitlines()] == ["7", "4"]
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == ["1.png", "standard-input.png"]


@pytest.mark.parametrize(
    ("data", "arguments", "code", "text"),
    [
        (b"", ["-"], 5, "this content is not an image that can be read"),
        (b"Dear Sir", ["-"], 5, "this content is not an image that can be read"),
        (b"x" * 2000, ["-"], 5, "standard input is longer than"),
        (b"", ["-", "-"], 2, "- is given twice, but standard input can be read only once"),
        (None, ["-"], 2, "- means standard input, which is closed"),
    ],
)
def test_what_is_no_picture_on_standard_input_is_said(run, standard_input, monkeypatch, data, arguments, code, text):
    monkeypatch.setattr("mnistkit.cli.pictures._MOST_BYTES", 1000)
    if data is None:
        monkeypatch.setattr(sys, "stdin", None)
    else:
        standard_input(data)
    got, output, error = run("read", *arguments)
    assert (got, output) == (code, "")
    assert text in error


@pytest.mark.parametrize("command", ["predict", "read"])
def test_an_address_of_the_web_is_told_what_to_do(run, command):
    code, output, error = run(command, "https://example.com/seven.png")
    assert (code, output) == (5, "")
    assert "https://example.com/seven.png is an address, and nothing is downloaded" in error


@pytest.mark.processes
def test_a_csv_can_go_into_a_pipe(album, forked):
    (album / "dear.png").unlink()
    done = forked.run("-m", "mnistkit", "predict", album, "--csv", "/dev/stdout")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["label"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["7", "4", "0"]


# ---- read -------------------------------------------------------------------------------------------------------------


def test_several_pictures_are_read_one_after_the_other(run, album, blank, tmp_path):
    (album / "dear.png").unlink()
    code, output, error = run("read", album, blank, tmp_path / "no.png", "--figure", tmp_path / "boxes")
    assert code == 5
    # A blank page is read, too: it has no digits.
    assert output.splitlines() == [
        *(f"{album / name}: {digit}" for name, digit in (("1.png", 7), ("2.jpg", 4), ("more/3.bmp", 0))),
        f"{blank}: ",
    ]
    assert error.splitlines()[0].startswith(f"mnistkit: {tmp_path / 'no.png'}: ")
    assert error.splitlines()[1] == "mnistkit: 1 of 5 pictures could not be read"
    assert len(list((tmp_path / "boxes").iterdir())) == 4
    report = json.loads(run("read", album, "--json")[1])
    assert (report["count"], report["failed"]) == (3, 0)
    assert [reading["text"] for reading in report["readings"]] == ["7", "4", "0"]


def test_read_prints_the_lines_and_saves_the_figure(run, mnist, tmp_path):
    digits = [
        np.pad(255 - mnist.validation.only(digit).images[0, 0].numpy(), 6, constant_values=255)
        for digit in (3, 1, 4, 7)
    ]
    lines = [np.concatenate(digits[:2], axis=1), np.concatenate(digits[2:], axis=1)]
    page = save(tmp_path / "page.png", np.concatenate(lines))
    assert run("read", page, "--figure", tmp_path / "new" / "boxes.png") == (0, "31\n47\n", "")
    with PIL.Image.open(tmp_path / "new" / "boxes.png") as picture:
        assert min(picture.size) > 100
    code, output, _ = run("read", page, "--json")
    report = json.loads(output)
    assert (code, report["text"], report["lines"], report["file"]) == (0, "3147", ["31", "47"], str(page))
    assert [digit["digit"] for digit in report["digits"]] == ["3", "1", "4", "7"]
    assert [digit["line"] for digit in report["digits"]] == [0, 0, 1, 1]
    assert all(0.5 < digit["confidence"] <= 1 and len(digit["box"]) == 4 for digit in report["digits"])


def test_read_finds_nothing_on_blank_paper_and_refuses_missing_files(run, blank, tmp_path):
    assert run("read", blank) == (0, "\n", "")
    assert run("read", tmp_path / "no.png") == (5, "", f"mnistkit: there is no image file {tmp_path / 'no.png'}\n")


def test_a_figure_that_cannot_be_saved_is_named(run, mnist, tmp_path):
    page = save(tmp_path / "page.png", mnist.validation.images[0, 0].numpy())
    code, _, error = run("read", page, "--figure", tmp_path / "boxes.docx")
    assert code == 2
    assert error.startswith(f"mnistkit: cannot write {tmp_path / 'boxes.docx'}: ")


@pytest.fixture
def scan(tmp_path, mnist):
    """A document: 31, nothing, 471 and 3."""
    digits = [255 - np.pad(mnist.validation.only(digit).images[0, 0].numpy(), 6) for digit in (3, 1, 4, 7)]
    white = np.full_like(digits[0], 255)
    pages = [[*digits[:2], *[white] * 4], [white] * 6, [*digits[2:], digits[1], white, white, digits[0]]]
    first, *others = (PIL.Image.fromarray(np.concatenate(page, axis=1)) for page in pages)
    path = tmp_path / "scans" / "scan.pdf"
    path.parent.mkdir()
    first.save(path, save_all=True, append_images=others, resolution=50)
    return path


def test_a_document_is_read_page_by_page(run, scan, tmp_path):
    code, output, error = run("read", scan.parent, "--figure", tmp_path / "boxes", "--theme", "dark")
    assert (code, error) == (0, "")
    assert output.splitlines() == [f"{scan}, page 1: 31", f"{scan}, page 2: ", f"{scan}, page 3: 471 3"]
    assert sorted(path.name for path in (tmp_path / "boxes").iterdir()) == [f"scan-{page}.png" for page in (1, 2, 3)]
    with PIL.Image.open(tmp_path / "boxes" / "scan-1.png") as figure:
        assert max(figure.convert("RGB").getpixel((0, 0))) < 60
    report = json.loads(run("read", scan, "--json")[1])
    assert (report["count"], report["failed"]) == (3, 0)
    assert [(row["file"], row["page"], row["text"]) for row in report["readings"]] == [
        (str(scan), 1, "31"),
        (str(scan), 2, ""),
        (str(scan), 3, "4713"),
    ]


def test_csv_of_read_has_a_line_for_each_number(run, scan, blank, tmp_path):
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(scan.read_bytes()[:300])
    code, output, error = run("read", scan, bad, "--csv", tmp_path / "digits.csv")
    assert (code, output) == (5, "")
    assert error.splitlines()[-1] == "mnistkit: 1 of 4 pictures could not be read"
    rows = rows_of(tmp_path / "digits.csv")
    assert [(row["page"], row["text"], row["number"]) for row in rows] == [
        ("1", "31", "31"),
        ("2", "", ""),
        ("3", "471", "471"),
        ("3", "3", "3"),
        ("1", "", ""),
    ]
    assert "the PDF is damaged, or none" in rows[-1]["error"]
    first, second = rows[2:4]
    assert 0 < float(first["left"]) < float(first["right"]) < float(second["left"])
    assert (first["line"], first["group"], second["group"]) == ("0", "0", "1")
    assert 0.5 < float(first["confidence"]) <= 1
    code, output, _ = run("read", blank, "--csv", tmp_path / "blank.csv", "--json")
    assert (code, json.loads(output)) == (0, {"count": 1, "failed": 0, "csv": str(tmp_path / "blank.csv")})


def test_read_answers_only_what_it_is_sure_of(run, scan, tmp_path):
    code, output, error = run("read", scan, "--coverage", "1.5")
    assert (code, output) == (2, "")
    assert "coverage is 1.5" in error
    assert run("read", scan, "--coverage", "0.98")[0] == 0


def test_predict_says_of_a_document_that_it_has_several_pages(run, scan):
    code, _, error = run("predict", scan)
    assert code == 5
    assert "it has 3 pages; give them one by one, as load_pages(file) of mnistkit.imaging does" in error
