"""A picture's way from its path to its label is short, and docs/design.md describes it."""

import re
import sys
from pathlib import Path

import PIL.Image

import mnistkit
from mnistkit import Predictor

ROOT = Path(mnistkit.__file__).parent


def test_the_files_that_a_small_picture_passes_are_those_of_the_page(mnist, tmp_path):
    PIL.Image.fromarray(mnist.test.images[0, 0].numpy()).save(tmp_path / "seven.png")
    predictor, passed = Predictor(device="cpu"), {}

    def note(frame, _event, _argument):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT):
            passed[file.relative_to(ROOT).as_posix()] = None

    predictor.predict(tmp_path / "seven.png")  # what happens once only is no part of it
    sys.setprofile(note)
    try:
        assert predictor.predict(tmp_path / "seven.png").label == 7
    finally:
        sys.setprofile(None)
    page = Path(__file__).parents[3] / "docs" / "design.md"
    described = re.findall(r"^\| `([a-z_/]+\.py)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(passed) == set(described)
    assert len(passed) <= 9
