import json
import math
import os
import re

import numpy as np
import pytest
import torch

import mnistkit
from mnistkit import Report, evaluate
from mnistkit.errors import ConfigError, DataError, WriteError
from mnistkit.metrics import Proportion


@pytest.fixture
def by_hand(answering):
    """Six images of three classes; 2 and 4 are wrong, 5 is right with less than half."""
    logits = np.log(
        [
            [0.90, 0.05, 0.05],
            [0.05, 0.90, 0.05],
            [0.80, 0.15, 0.05],
            [0.10, 0.10, 0.80],
            [0.05, 0.01, 0.94],
            [0.40, 0.30, 0.30],
        ]
    )
    return evaluate(*answering([0, 1, 1, 2, 0, 0], logits, classes=["a", "b", "c"]), name="hand")


def test_the_figures_by_hand(by_hand):
    assert (by_hand.score, by_hand.accuracy) == (Proportion(4, 6), 4 / 6)
    assert by_hand.predictions.tolist() == [0, 1, 0, 2, 2, 0]
    assert by_hand.confusion.tolist() == [[2, 0, 1], [1, 1, 0], [0, 0, 1]]
    assert by_hand.loss == pytest.approx(-np.log([0.9, 0.9, 0.15, 0.8, 0.05, 0.4]).mean(), abs=1e-6)
    assert [row.support for row in by_hand.per_class] == [3, 2, 1]
    assert by_hand.per_class[0].precision == pytest.approx(2 / 3)
    assert by_hand.per_class[1].recall == 0.5
    assert [(pair.label, pair.prediction, pair.count) for pair in by_hand.confused_pairs] == [(0, 2, 1), (1, 0, 1)]


def test_mistakes_come_with_the_highest_loss_first(by_hand):
    assert [(o.index, o.label, o.prediction) for o in by_hand.mistakes] == [(4, 0, 2), (2, 1, 0)]
    worst = by_hand.mistakes[0]
    assert worst.probabilities == pytest.approx((0.05, 0.01, 0.94), abs=1e-6)
    assert worst.confidence == pytest.approx(0.94)
    assert worst.loss == pytest.approx(-math.log(0.05), abs=1e-5)
    assert not worst.correct


def test_top_losses_hold_what_is_right_by_little_too(by_hand):
    assert [o.index for o in by_hand.top_losses(3)] == [4, 2, 5]
    assert by_hand.top_losses(3)[2].correct
    assert len(by_hand.top_losses(99)) == 6


def test_one_image_can_be_asked_for(by_hand):
    assert by_hand.outcome(-1) == by_hand.outcome(5)
    assert by_hand.outcome(5).index == 5
    with pytest.raises(IndexError):
        by_hand.outcome(6)


def test_it_prints_as_a_table(by_hand):
    assert str(by_hand) == (
        "hand on made test, 6 images\n"
        "\n"
        "accuracy           66.67% (95 % interval 30.00% to 90.32%, 4 of 6)\n"
        f"loss               {by_hand.loss:.4f}\n"
        f"calibration error  {by_hand.reliability.error:.2%}   mean confidence 79.00%\n"
        "\n"
        "class  precision   recall       F1   images\n"
        "a         66.67%   66.67%   66.67%        3\n"
        "b        100.00%   50.00%   66.67%        2\n"
        "c         50.00%  100.00%   66.67%        1\n"
        "mean      72.22%   72.22%   66.67%        6\n"
        "\n"
        "most confused: a as c (1), b as a (1)"
    )


def test_a_table_of_long_names_and_missing_figures_stays_a_table(answering):
    report = evaluate(*answering([0], [[9.0, 0.0]], classes=["Ankle boot", "never"]))
    lines = str(report).splitlines()
    table = lines[6:10]
    assert len({len(line) for line in table}) == 1
    assert re.fullmatch(r"never +- +- +- +0", table[2])
    assert lines[-1] == "most confused: nothing"
    assert report.macro.precision == 1.0


def test_macro_means_of_nothing_are_nan(answering):
    report = evaluate(*answering([0], [[0.0, 9.0]]))
    assert math.isnan(report.macro.recall) is False
    assert report.macro.recall == 0.0
    assert report.macro.precision == 0.0


def test_its_repr_is_short(report):
    assert repr(report).startswith("Report(model='softmax_regression', data_name='mnist test', fingerprint=")
    assert len(repr(report)) < 250


def test_a_saved_report_is_read_back_exactly(report, tmp_path):
    report.save(tmp_path / "new" / "report.json")
    loaded = Report.load(tmp_path / "new" / "report.json")
    for name in ("labels", "probabilities", "losses"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(report, name))
        assert getattr(loaded, name).dtype == getattr(report, name).dtype
    assert str(loaded) == str(report)
    assert loaded.to_json() == report.to_json()
    assert loaded.mistakes == report.mistakes
    assert loaded.data is None


def test_the_file_can_be_read_by_any_program(by_hand, tmp_path):
    by_hand.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["accuracy"] == by_hand.accuracy
    assert content["interval"] == list(by_hand.score.interval)
    assert content["calibration_error"] == by_hand.reliability.error
    assert content["per_class"][1] == {"name": "b", "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}
    assert content["confusion"] == by_hand.confusion.tolist()
    assert content["confused_pairs"][0] == {"label": 0, "prediction": 2, "count": 1, "share": 1 / 3}
    assert [mistake["index"] for mistake in content["mistakes"]] == [4, 2]
    empty = {"correct": 0, "count": 0, "accuracy": None, "interval": [0.0, 1.0]}
    assert content["reliability"][0] == {"low": 0.0, "high": 1 / 15, "confidence": None, **empty}
    assert content["images"]["labels"] == [0, 1, 1, 2, 0, 0]


def test_a_loaded_report_takes_its_data_set_and_no_other(report, mnist, tmp_path):
    report.save(tmp_path / "report.json")
    test = mnist.test[:1000]
    assert Report.load(tmp_path / "report.json", data=test).data is test
    assert report.with_data(test).data is test
    with pytest.raises(
        DataError, match=rf"about mnist test with fingerprint {report.fingerprint}, got DigitDataset\(mnist"
    ):
        Report.load(tmp_path / "report.json", data=mnist.test[:999])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x89PNG", "is not a saved report: "),
        (b"{", "is not a saved report: Expecting property name"),
        (b"[]", "is not a saved report$"),
        (b'{"format": "mnistkit robustness"}', "is not a saved report$"),
        (b'{"format": "mnistkit report", "version": 9}', "version 9, this mnistkit reads version 1: upgrade it"),
        (b'{"format": "mnistkit report"}', "version None, this mnistkit reads version 1"),
        (
            b'{"format": "mnistkit report", "version": 1, "model": "m"}',
            r"is a damaged report \(ValueError.*measure again",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, content, text):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "x.json")) + ".*" + text):
        Report.load(tmp_path / "x.json")


def test_arrays_that_do_not_belong_together_are_refused(by_hand, tmp_path):
    by_hand.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    content["images"]["losses"].pop()
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"labels \(6,\), probabilities \(6, 3\), losses \(5,\), 3 classes"):
        Report.load(tmp_path / "report.json")


@pytest.mark.parametrize(
    ("part", "value", "text"),
    [
        ("labels", [0, 0, 1, 1, 2, 3], "labels outside 0 to 2"),
        ("labels", [0, 0, 1, 1, 2, -1], "labels outside 0 to 2"),
        ("labels", [0, 0, 1, 1, 2, 10**30], "OverflowError"),
        ("labels", [0, 0, 1, 1, 2, [2]], "ValueError"),
        ("probabilities", [[1.5, -0.5, 0.0]] * 6, "probabilities outside 0 to 1"),
        ("probabilities", [["a", "b", "c"]] * 6, "ValueError"),
        ("losses", [-1.0] * 6, "losses that are negative or not finite"),
        ("losses", [math.nan] * 6, "NaN is no number"),
        ("losses", [None] * 6, "losses that are negative or not finite"),
        ("losses", [1e300] * 6, "losses that are negative or not finite"),
    ],
)
def test_a_file_of_what_cannot_be_measured_is_refused(by_hand, tmp_path, part, value, text):
    by_hand.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    content["images"][part] = value
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"report.json is .*{text}"):
        Report.load(tmp_path / "report.json")


def test_a_report_without_images_is_refused(by_hand, tmp_path):
    by_hand.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    content["images"] = {"labels": [], "probabilities": [], "losses": []}
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"report\.json is a damaged report"):
        Report.load(tmp_path / "report.json")


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path):
    (tmp_path / "report.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"report\.json is not a saved report: "):
        Report.load(tmp_path / "report.json")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(DataError, match=r"cannot read .*report\.json: it is a pipe, expected a file"):
        Report.load(tmp_path / "report.json")


def test_a_tilde_is_a_home(by_hand, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    by_hand.save("~/report.json")
    assert Report.load("~/report.json").score == by_hand.score


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.json: No such file"):
        Report.load(tmp_path / "none.json")


def test_a_folder_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    for save in (report.save, report.save_html):
        with pytest.raises(WriteError, match=r"cannot write .*; choose a folder that can be written"):
            save(tmp_path / "file" / "report")


def test_a_page_needs_the_pictures(report, tmp_path):
    report.save(tmp_path / "report.json")
    loaded = Report.load(tmp_path / "report.json")
    with pytest.raises(ConfigError, match=r"loaded without its data set.*Report.load\(path, data=test\)"):
        loaded.save_html(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_evaluating_twice_gives_equal_files(model, mnist, tmp_path):
    for name in ("a.json", "b.json"):
        torch.manual_seed(len(name))
        evaluate(model, mnist.test[:100]).save(tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_the_public_names_are_these():
    assert mnistkit.evaluate is evaluate
    assert mnistkit.Report is Report
