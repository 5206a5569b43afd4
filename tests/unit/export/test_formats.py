"""Which file is written, and that it holds what a browser needs; checks/test_draw.py runs it in one."""

import base64
import json
import re

import pytest
from torch import nn

from mnistkit import Classifier, create_model
from mnistkit.cli import main
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError, WriteError
from mnistkit.export import html_page
from mnistkit.models import list_models

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))


@pytest.fixture(scope="module")
def small_classifier():
    return Classifier(create_model("softmax_regression"), MNIST)


def model_of(page):
    """What the page says of its network, and its weights."""
    (text,) = re.findall(r'<script type="application/json" id="model">(.*?)</script>', page, re.DOTALL)
    model = json.loads(text)
    return model, base64.b64decode(model["weights"])


@pytest.mark.parametrize("name", list_models())
def test_every_model_makes_a_page(name):
    model, weights = model_of(html_page(Classifier(create_model(name), MNIST), bits=8))
    program = model["program"]
    assert program["sizes"][program["output"]] == 10
    arrays = [array for step in program["steps"] for array in step["weights"].values()]
    assert sum(array["length"] for array in arrays) > 900
    sides = {"int8": 1, "int16": 2, "int32": 4, "float32": 4}
    assert all(array["at"] + array["length"] * sides[array["kind"]] <= len(weights) for array in arrays)


def test_the_handwriting_weights_make_a_page_of_less_than_a_megabyte_that_asks_for_nothing():
    page = html_page(Classifier.pretrained(device="cpu"))
    assert len(page.encode()) < 600_000
    assert not re.search(r"https?://|\bimport\b|\bfetch\(|XMLHttpRequest|<link|<script src|url\(", page)
    assert len(html_page(Classifier.pretrained(device="cpu"), bits=8).encode()) < 350_000


def test_the_page_has_calibration_preparation_and_classes(small_classifier):
    classes = (*"abcdefgh", "{{script}}", "</script><script>alert(1)</script>")
    preparation = Preprocessing(mean=(0.5,), std=(0.25,), geometry=(("crop", 24), ("resize", 28)))
    page = html_page(Classifier(create_model("softmax_regression"), preparation, classes))
    model, _ = model_of(page)
    assert tuple(model["classes"]) == classes
    assert model["preprocessing"]["geometry"] == [["crop", 24], ["resize", 28]]
    assert model["calibration"]["temperature"] == 1.0
    assert page.count("</script>") == 2


def test_the_ending_or_the_name_says_the_format(small_classifier, tmp_path):
    small_classifier.export(tmp_path / "digits.HTML")
    small_classifier.export(tmp_path / "digits", "html")
    assert (tmp_path / "digits.HTML").read_bytes() == (tmp_path / "digits").read_bytes()
    assert (tmp_path / "digits").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ConfigError, match=r"digits\.pdf: its ending names no format; use \.html"):
        small_classifier.export(tmp_path / "digits.pdf")
    with pytest.raises(ConfigError, match="unknown format 'htm'; did you mean 'html'"):
        small_classifier.export(tmp_path / "digits", "htm")
    with pytest.raises(ConfigError, match="bits is 4, expected 8 or 16"):
        html_page(small_classifier, bits=4)


def test_a_network_that_cannot_run_leaves_the_earlier_file(tmp_path):
    network = nn.Sequential(nn.Flatten(1, 2), nn.LSTM(28, 10))
    path = tmp_path / "page.html"
    path.write_text("earlier")
    with pytest.raises(ConfigError, match=r"its layer '1' is of the kind LSTM"):
        Classifier(network, MNIST).export(path)
    assert path.read_text() == "earlier"
    with pytest.raises(WriteError):
        Classifier(create_model("softmax_regression"), MNIST).export(tmp_path, "html")


def test_the_command_writes_beside_the_user(small_classifier, tmp_path, monkeypatch, capsys):
    small_classifier.save(tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    assert main(["export", "mine.safetensors", "--to", "html", "--json"]) == 0
    size = (tmp_path / "mine.html").stat().st_size
    assert json.loads(capsys.readouterr().out) == {"file": "mine.html", "format": "html", "bytes": size}
    assert main(["export", "mine.safetensors", "--to", "html", "--output", "there/page.html"]) == 0
    assert capsys.readouterr().out == f"there/page.html: {size:,} bytes\n"


def test_draw_opens_a_browser_or_says_what_to_open(small_classifier, tmp_path, monkeypatch, capsys):
    small_classifier.save(tmp_path / "mine.safetensors")
    checkpoint, page = str(tmp_path / "mine.safetensors"), tmp_path / "page.html"
    opened = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or len(opened) == 1)
    for expected in (True, False):
        assert main(["draw", checkpoint, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["opened"] is expected
        assert opened[-1] == f"file://{report['file']}"
    assert main(["draw", checkpoint, "--output", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}; open it in a browser\n"
    assert len(opened) == 2
    assert "<canvas" in page.read_text(encoding="utf-8")
