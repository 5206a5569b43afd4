import dataclasses
import json
import math

import pytest
import torch

from mnistkit import Classifier, DigitDataset, Predictor, evaluate
from mnistkit.errors import ConfigError, DataError, WriteError
from mnistkit.evaluation import CORRUPTIONS, PERTURBATIONS, Robustness, corrupt, perturb, robustness
from mnistkit.metrics import Proportion


@pytest.fixture(scope="module")
def result(model, mnist):
    return robustness(model, mnist.test[:300], seed=4)


def test_it_measures_every_change_at_every_level_and_every_corruption(result, mnist):
    assert [(curve.name, curve.levels) for curve in result.curves] == [
        (name, perturbation.levels) for name, perturbation in PERTURBATIONS.items()
    ]
    assert tuple(result.corruptions) == CORRUPTIONS
    assert (result.model, result.data_name) == ("softmax_regression", "mnist test")
    assert result.fingerprint == mnist.test[:300].fingerprint
    for curve in result.curves:
        assert curve.scores[curve.levels.index(PERTURBATIONS[curve.name].neutral)] == result.unchanged
        assert curve.accuracies[-1] < result.unchanged.accuracy


def test_a_score_is_the_accuracy_on_the_changed_images(result, model, mnist):
    test = mnist.test[:300]

    def correct(images):
        return evaluate(model, dataclasses.replace(test, images=images)).score.correct

    assert result.unchanged == Proportion(correct(test.images), 300)
    assert result.curves[1].scores[3] == Proportion(correct(perturb(test.images, "rotation", 30, seed=4)), 300)
    assert result.corruptions["spatter"] == Proportion(correct(corrupt(test.images, "spatter", seed=4)), 300)


def test_the_mean_is_over_the_corruptions(result):
    expected = sum(score.accuracy for score in result.corruptions.values()) / 15
    assert result.mean_corruption_accuracy == pytest.approx(expected)


def test_it_prints_as_a_table(result):
    lines = str(result).splitlines()
    assert lines[0] == "softmax_regression on mnist test, 300 images"
    assert lines[2] == f"unchanged       {result.unchanged.accuracy:8.2%}"
    at = next(number for number, line in enumerate(lines) if line.startswith("blur"))
    assert lines[at].split() == ["blur", "0", "0.5", "1", "1.5", "2", "2.5", "3", "pixels"]
    assert lines[at + 1].split() == [f"{accuracy:.2%}" for accuracy in result.curves[5].accuracies]
    # The levels stand above their accuracies.
    assert lines[at].index("0.5") + 3 == lines[at + 1].index("%", 24) + 1
    low, high = result.corruptions["fog"].interval
    assert f"fog             {result.corruptions['fog'].accuracy:8.2%}   {low:.2%} to {high:.2%}" in lines
    assert lines[-1] == f"mean            {result.mean_corruption_accuracy:8.2%}"


def test_parts_of_it_can_be_left_out(model, mnist):
    only = robustness(model, mnist.test[:50], curves=["noise"], corruptions=[], name="mine")
    assert [curve.name for curve in only.curves] == ["noise"]
    assert only.corruptions == {}
    assert "corruption" not in str(only)
    assert str(only).startswith("mine on mnist test, 50 images")
    assert math.isnan(only.mean_corruption_accuracy)
    assert robustness(model, mnist.test[:50], curves=(), corruptions=["fog"]).curves == ()


def test_the_seed_is_that_of_the_images(model, mnist):
    def noisy(seed):
        return robustness(model, mnist.test[:300], curves=["noise"], corruptions=[], seed=seed)

    assert noisy(0) == noisy(0)
    assert noisy(0) != noisy(1)


def test_a_predictor_prepares_what_was_changed(model, mnist):
    test = mnist.test[:100]
    cropped = test.crop(20)
    small = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(400, 10))
    predictor = Predictor(Classifier(small, cropped.preprocessing))
    result = robustness(predictor, test, curves=["shift"], corruptions=["stripe"])
    assert result.model == "Sequential"
    striped = dataclasses.replace(test, images=corrupt(test.images, "stripe")).crop(20)
    assert result.corruptions["stripe"].correct == evaluate(small, striped).score.correct


def test_a_saved_profile_is_read_back_exactly(result, tmp_path):
    result.save(tmp_path / "profile.json")
    assert Robustness.load(tmp_path / "profile.json") == result
    content = json.loads((tmp_path / "profile.json").read_text())
    assert content["unchanged"]["accuracy"] == result.unchanged.accuracy
    assert [score["accuracy"] for score in content["curves"][0]["scores"]] == list(result.curves[0].accuracies)
    assert content["corruptions"]["fog"]["accuracy"] == result.corruptions["fog"].accuracy


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("curves"),
        lambda content: content["curves"][0].pop("levels"),
        lambda content: content["corruptions"].update(fog=3),
        lambda content: content["corruptions"]["fog"].update(correct=1.5),
        lambda content: content["corruptions"]["fog"].update(correct=True),
        lambda content: content["unchanged"].update(correct=content["unchanged"]["count"] + 1),
        lambda content: content["unchanged"].update(count=0, correct=0),
        lambda content: content["curves"][0]["scores"].pop(),
        lambda content: content["curves"][0]["levels"].reverse(),
    ],
)
def test_a_damaged_file_is_refused(result, tmp_path, damage):
    result.save(tmp_path / "profile.json")
    content = json.loads((tmp_path / "profile.json").read_text())
    damage(content)
    (tmp_path / "profile.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="is a damaged robustness"):
        Robustness.load(tmp_path / "profile.json")


def test_a_report_is_no_profile_and_a_file_no_folder(report, result, tmp_path):
    report.save(tmp_path / "report.json")
    with pytest.raises(DataError, match="is not a saved robustness"):
        Robustness.load(tmp_path / "report.json")
    with pytest.raises(WriteError, match="cannot write"):
        result.save(tmp_path / "report.json" / "x")


def test_unknown_names_are_refused_before_anything_is_measured(mnist):
    def never(images):
        raise AssertionError("measured")

    model = torch.nn.Module()
    model.forward = never
    with pytest.raises(ConfigError, match="unknown perturbation 'tilt'"):
        robustness(model, mnist.test[:5], curves=["tilt"])
    with pytest.raises(ConfigError, match="unknown corruption 'snow'"):
        robustness(model, mnist.test[:5], corruptions=["snow"])
    with pytest.raises(DataError, match="before they are cropped"):
        robustness(model, mnist.test[:5].crop(20))


def test_colour_is_refused(model):
    colour = torch.zeros(2, 3, 28, 28, dtype=torch.uint8)
    data = DigitDataset.from_arrays(colour, [0, 1], mean_std=((0.0,) * 3, (1.0,) * 3), framing="resize")
    with pytest.raises(DataError, match="before they are normalised"):
        robustness(model, data)


def test_progress_goes_to_standard_error_in_a_terminal_only(model, mnist, capsys):
    robustness(model, mnist.test[:20], curves=[], corruptions=["stripe"])
    assert capsys.readouterr() == ("", "")
