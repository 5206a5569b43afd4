import json
import math
import weakref
from statistics import NormalDist

import pytest
import torch

from mnistkit.distributed import World
from mnistkit.errors import DataError
from mnistkit.metrics import Evaluation, MetricSums, Proportion
from mnistkit.types import StepOutput


def _logits(predicted, classes=4):
    return torch.nn.functional.one_hot(torch.tensor(predicted), classes).float()


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [
        # R. G. Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_has_the_values_of_the_literature(correct, count, low, high):
    assert [round(bound, 4) for bound in Proportion(correct, count).interval] == [low, high]


def test_wilsons_bounds_are_the_proportions_whose_deviation_is_just_z():
    z = NormalDist().inv_cdf(0.975)
    for bound in Proportion(37, 120).interval:
        assert abs(37 / 120 - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / 120))


def test_an_interval_without_trials_is_everything():
    assert Proportion(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Proportion(0, 0).accuracy)
    assert Proportion(0, 0).to_json()["accuracy"] is None


def test_all_right_and_all_wrong_touch_the_ends():
    assert Proportion(0, 7).interval[0] == 0.0
    assert Proportion(13, 13).interval[1] == 1.0


@pytest.mark.parametrize(("correct", "count"), [(-1, 5), (6, 5), (1, 0)])
def test_no_more_are_right_than_there_are(correct, count):
    with pytest.raises(DataError, match=f"got {correct} right of {count}"):
        Proportion(correct, count)


def test_sums_give_means_over_images_not_over_batches():
    sums = MetricSums()
    sums.update(
        StepOutput(torch.tensor(1.0), _logits([0, 1, 2]), {"margin": torch.tensor(4.0)}), torch.tensor([0, 1, 3])
    )
    sums.update(StepOutput(torch.tensor(5.0), _logits([3]), {"margin": torch.tensor(8.0)}), torch.tensor([3]))
    result = sums.compute()
    assert result == Evaluation(loss=2.0, count=4, score=Proportion(3, 4), metrics={"margin": 5.0})
    assert result.accuracy == 0.75


def test_steps_without_logits_have_no_accuracy():
    sums = MetricSums()
    sums.update(StepOutput(torch.tensor(2.0)), torch.tensor([0, 1]))
    result = sums.compute()
    assert (result.loss, result.score, result.count) == (2.0, None, 2)
    assert math.isnan(result.accuracy)
    assert result.to_json()["accuracy"] is None
    assert result.row("val") == {"val_loss": 2.0}
    assert str(result) == "loss 2.0000"


def test_an_evaluation_prints_with_its_interval():
    result = Evaluation(0.03456, 10_000, Proportion(9_912, 10_000), {"margin": 1.5})
    assert str(result) == (
        "loss 0.0346, accuracy 99.12% (95 % interval 98.92% to 99.29%, 9,912 of 10,000), margin 1.5000"
    )


def test_a_row_has_every_figure_under_its_prefix():
    assert Evaluation(0.5, 4, Proportion(3, 4), {"margin": 2.0}).row("train") == {
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "train_margin": 2.0,
    }


def test_nothing_added_has_no_mean():
    with pytest.raises(ZeroDivisionError):
        MetricSums().compute()
    assert MetricSums().is_finite()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_loss_is_never_forgotten(bad):
    sums = MetricSums()
    labels = torch.tensor([0])
    sums.update(StepOutput(torch.tensor(1.0)), labels)
    assert sums.is_finite()
    sums.update(StepOutput(torch.tensor(bad)), labels)
    sums.update(StepOutput(torch.tensor(1.0)), labels)
    assert not sums.is_finite()


def test_a_metric_may_be_nan_while_the_loss_is_finite():
    sums = MetricSums()
    sums.update(StepOutput(torch.tensor(1.0), metrics={"ratio": torch.tensor(math.nan)}), torch.tensor([0]))
    assert sums.is_finite()
    assert math.isnan(sums.compute().metrics["ratio"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_numbers_are_summed_wide(dtype):
    sums = MetricSums()
    value = torch.tensor(3.0, dtype=dtype)
    for _ in range(3):
        sums.update(StepOutput(value, metrics={"m": value}), torch.zeros(50_001, dtype=torch.int64))
    assert sums.is_finite()
    assert sums.compute() == Evaluation(3.0, 150_003, None, {"m": 3.0})


def test_a_long_run_of_single_precision_losses_loses_nothing():
    sums, labels = MetricSums(), torch.zeros(1, dtype=torch.int64)
    sums.update(StepOutput(torch.tensor(2.0**30)), labels)
    for _ in range(64):
        sums.update(StepOutput(torch.tensor(1.0)), labels)
    assert sums.state_dict()["loss"] == 2.0**30 + 64


def test_sums_keep_no_graph_alive():
    sums = MetricSums()
    weight, factor = torch.ones((), requires_grad=True), torch.ones(2)
    # Each graph holds the factor, for the gradient of the weight.
    held = weakref.ref(factor)
    output = StepOutput((weight * factor).sum(), _logits([0]) * (weight * factor).sum(), {"m": weight * factor})
    del factor
    assert held() is not None
    sums.update(output, torch.tensor([0]))
    del output
    assert held() is None
    assert sums.state_dict()["loss"] == 2.0


def test_on_another_device_sums_stay_there_and_nothing_waits_for_them():
    sums, weight = MetricSums("meta", highest=3), torch.ones((), device="meta", requires_grad=True)
    logits, labels = torch.zeros(3, 4, device="meta") * weight, torch.zeros(3, dtype=torch.int64, device="meta")
    for _ in range(2):
        # A meta tensor has no value: whatever waited for one would raise.
        sums.update(StepOutput(weight * 2, logits, {"m": weight * 3}), labels)
    with pytest.raises(RuntimeError, match="meta tensors"):
        sums.compute()


@pytest.mark.parametrize(
    ("highest", "batches", "own"),
    [(9, [[0, 1]], False), (None, [[0, 9]], False), (None, [[0, 1], [2, 0]], False), (1, [[0, 2]], True)],
    ids=["the data says it", "the first batch", "a later batch", "the step's own"],
)
def test_labels_that_are_no_class_of_the_logits_are_refused(highest, batches, own):
    sums, logits = MetricSums(highest=highest), _logits([0, 1])[:, :2]
    *right, wrong = map(torch.tensor, batches)
    for labels in right:
        sums.update(StepOutput(torch.tensor(1.0), logits), labels)
    with pytest.raises(DataError, match=r"labels up to \d with logits of 2 classes.*StepOutput\(loss, logits, labels="):
        sums.update(StepOutput(torch.tensor(1.0), logits, labels=wrong if own else None), wrong)


def test_the_labels_of_a_step_are_those_of_its_logits_whatever_the_data_has():
    sums, logits = MetricSums(highest=9), _logits([0, 1])[:, :2]
    sums.update(StepOutput(torch.tensor(1.0), logits, labels=torch.tensor([0, 1])), torch.tensor([7, 9]))
    assert sums.compute().accuracy == 1


def test_figures_of_several_numbers_are_added_up_wide_and_without_a_graph():
    sums, weight = MetricSums(), torch.ones(2, dtype=torch.float16, requires_grad=True)
    for _ in range(2):
        sums.update(StepOutput(torch.tensor(1.0), None, {"m": weight * 40_000}), torch.tensor([0, 1]))
    value = sums.state_dict()["metrics/m"]
    assert (value.dtype, value.requires_grad, value.tolist()) == (torch.float64, False, [160_000, 160_000])


def test_the_state_survives_json_to_the_last_bit():
    sums = MetricSums()
    for seed in range(5):
        torch.manual_seed(seed)
        sums.update(StepOutput(torch.rand(()), torch.randn(7, 4), {"m": torch.rand(())}), torch.randint(0, 4, (7,)))
    restored = MetricSums()
    restored.load_state_dict(json.loads(json.dumps(sums.state_dict())))
    assert restored.compute() == sums.compute()
    for each in (sums, restored):
        each.update(StepOutput(torch.tensor(0.3)), torch.tensor([1]))
    assert restored.state_dict() == sums.state_dict()


def test_loading_a_state_replaces_what_was_there():
    sums = MetricSums()
    sums.update(StepOutput(torch.tensor(9.0), _logits([0])), torch.tensor([0]))
    sums.load_state_dict({"count": 2.0, "loss": 3.0})
    assert sums.compute() == Evaluation(1.5, 2)


def test_what_was_added_since_a_look_has_means_of_its_own():
    sums = MetricSums()
    sums.update(StepOutput(torch.tensor(9.0), _logits([0, 0, 0])), torch.tensor([0, 0, 0]))
    seen = sums.state_dict()
    # The metric is new: before the look nothing of it was added.
    sums.update(StepOutput(torch.tensor(1.0), _logits([0, 1]), {"m": torch.tensor(4.0)}), torch.tensor([0, 3]))
    assert sums.since(seen).compute() == Evaluation(1.0, 2, Proportion(1, 2), {"m": 4.0})
    assert sums.since({}).compute() == sums.compute()


def test_looking_back_changes_nothing_and_is_no_part_of_the_sums():
    sums, labels = MetricSums(), torch.tensor([0])
    sums.update(StepOutput(torch.tensor(2.0)), labels)
    before = sums.state_dict()
    recent = sums.since({})
    recent.update(StepOutput(torch.tensor(5.0)), labels)
    assert sums.state_dict() == before


def test_since_the_last_look_there_may_be_nothing():
    sums = MetricSums()
    sums.update(StepOutput(torch.tensor(2.0)), torch.tensor([0]))
    with pytest.raises(ZeroDivisionError):
        sums.since(sums.state_dict()).compute()


def test_merging_a_world_of_one_changes_nothing():
    sums = MetricSums(torch.device("cpu"))
    sums.update(StepOutput(torch.tensor(1.5)), torch.tensor([0, 0]))
    before = sums.state_dict()
    sums.merge(World())
    assert sums.state_dict() == before
