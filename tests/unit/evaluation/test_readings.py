import json
import math

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistkit import Predictor
from mnistkit._core.statistics import bootstrap_interval
from mnistkit.errors import BlankImageError, DataError, ImageError
from mnistkit.evaluation import ReadingReport, evaluate_reading
from mnistkit.evaluation.readings import edit_distance

DIGITS = st.text("0123456789", max_size=12)


@pytest.fixture(scope="module")
def pages(mnist):
    """Four pictures of two digits each and what they say."""
    images, labels = mnist.validation.images[:, 0].numpy(), mnist.validation.labels.tolist()
    pictures = [255 - np.pad(np.concatenate(images[n : n + 2], axis=1), 10) for n in range(0, 8, 2)]
    return pictures, [f"{labels[n]}{labels[n + 1]}" for n in range(0, 8, 2)]


def said(*texts):
    """A reader that says these, one after the other."""
    left = iter(texts)
    return lambda picture: next(left)


def naive_distance(first, second):
    if not first or not second:
        return len(first) + len(second)
    change = naive_distance(first[1:], second[1:]) + (first[0] != second[0])
    return min(change, naive_distance(first[1:], second) + 1, naive_distance(first, second[1:]) + 1)


@given(st.text("012", max_size=5), st.text("012", max_size=5))
def test_the_distance_is_the_textbooks(first, second):
    assert edit_distance(first, second) == naive_distance(first, second)


@given(DIGITS, DIGITS, DIGITS)
def test_the_distance_is_a_metric(first, second, third):
    assert edit_distance(first, second) == edit_distance(second, first)
    assert (edit_distance(first, second) == 0) == (first == second)
    assert edit_distance(first, third) <= edit_distance(first, second) + edit_distance(second, third)


def test_the_bootstrap_agrees_with_theory():
    # The mean of 400 coins has a standard deviation of 1/40.
    low, high = bootstrap_interval([0, 1] * 200, [1] * 400)
    assert (low, high) == pytest.approx((0.5 - 1.96 / 40, 0.5 + 1.96 / 40), abs=0.006)
    # Errors that come together say less than as many that come alone.
    together = bootstrap_interval([5, 0, 0, 0, 0] * 20, [5] * 100)
    alone = bootstrap_interval([1, 0, 0, 0, 0] * 100, [1] * 500)
    assert together[1] - together[0] > 1.8 * (alone[1] - alone[0])


def test_pages_are_read_and_counted(pages):
    pictures, labels = pages
    report = evaluate_reading(pictures, labels)
    assert [outcome.label for outcome in report.outcomes] == labels
    assert report.figures.whole.correct >= 3
    assert report.figures.digits == 8


def test_the_figures_are_those_of_a_calculation_by_hand():
    report = evaluate_reading(
        [np.zeros((9, 9), np.uint8)] * 4,
        ["1234", "12/34\n5", "7", ""],
        reader=said("124", "1 2 3 4 5", "7777", "-"),
        kinds=["form", "form", "sign", "sign"],
    )
    assert [outcome.errors for outcome in report.outcomes] == [1, 0, 3, 0]
    figures = report.figures
    assert (figures.whole.count, figures.whole.correct, figures.digits, figures.errors) == (4, 2, 10, 4)
    assert figures.error_rate == 0.4
    # The third has more errors than digits, and counts as wholly wrong.
    assert figures.mean_error == pytest.approx((1 / 4 + 0 + 1 + 0) / 4)
    assert figures.whole.interval[0] < 0.5 < figures.whole.interval[1]
    assert figures.error_interval[0] < 0.4 < figures.error_interval[1]
    assert list(report.kinds) == ["form", "sign"]
    assert (report.kinds["form"].whole.correct, report.kinds["sign"].errors) == (1, 3)
    assert [outcome.name for outcome in report.mistakes] == ["picture 2", "picture 0"]
    rows = str(report).splitlines()
    assert rows[1].split()[:3] == ["all", "4", "2"]
    assert "40.00%" in rows[1]
    assert [row.split()[0] for row in rows[2:]] == ["form", "sign"]


def test_pages_without_any_digit_have_no_error_rate():
    report = evaluate_reading([np.zeros((9, 9), np.uint8)], [""], reader=said(""))
    assert report.figures.whole.correct == 1
    assert math.isnan(report.figures.error_rate)
    assert report.kinds == {}
    assert report.to_json()["error_rate"] is None


def test_paths_are_their_names_and_files_hold_the_figures(pages, tmp_path):
    picture = tmp_path / "page.png"
    PIL.Image.fromarray(pages[0][0]).save(picture)
    report = evaluate_reading([picture, str(picture)], ["12", "345"], reader=said("12", "35"))
    assert [outcome.name for outcome in report.outcomes] == [str(picture)] * 2
    report.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["format"] == "mnistkit reading report"
    assert (content["whole"]["correct"], content["errors"]) == (1, 1)
    assert content["outcomes"][1] == {"name": str(picture), "kind": "", "label": "345", "text": "35", "errors": 1}


def test_a_mistake_is_drawn_with_its_boxes(pages, tmp_path):
    pictures, labels = pages
    report = evaluate_reading(
        pictures[:2], [labels[0], "<9>"], names=["right", "<b>"], reader=Predictor(device="cpu").read
    )
    (wrong,) = report.mistakes
    assert wrong.preview[:2] == b"\xff\xd8"
    for _, left, top, right, bottom in wrong.boxes:
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    report.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count('class="found"') == len(wrong.boxes) == 2
    assert "&lt;b&gt;" in page
    assert "<b>:" not in page
    assert "http" not in page
    report.save_html(tmp_path / "page.html", most=0)
    assert "0 of 1" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_report_of_no_mistake_says_so(tmp_path):
    ReadingReport(evaluate_reading([np.zeros((9, 9))], ["1"], reader=said("1")).outcomes).save_html(tmp_path / "a.html")
    assert "There are none." in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("pictures", "labels", "more", "message"),
    [
        (2, ["1"], {}, "^got 1 labels and more pictures than these, expected as many$"),
        (1, ["1", "2"], {}, "^got 2 labels and 1 pictures"),
        (0, [], {}, "^got 0 labels and 0 pictures, expected as many, and at least one$"),
        (1, [451], {}, '^the label of picture 0 is a int, expected text such as "0451"$'),
        (1, ["1"], {"kinds": ["a", "b"]}, "^got 1 labels and 2 kinds, expected as many$"),
        (1, ["1"], {"names": []}, "^got 1 labels and 0 names, expected as many$"),
    ],
)
def test_what_does_not_belong_together_is_refused(pictures, labels, more, message):
    with pytest.raises(DataError, match=message):
        evaluate_reading([np.zeros((9, 9), np.uint8)] * pictures, labels, reader=lambda picture: "1", **more)


def test_the_picture_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"no.png: there is no image file"):
        evaluate_reading([tmp_path / "no.png"], ["1"], reader=Predictor(device="cpu").read)

    def blank(picture):
        raise BlankImageError("there is no ink")

    with pytest.raises(BlankImageError, match=r"^first: there is no ink$"):
        evaluate_reading([b""], ["1"], reader=blank, names=["first"])
