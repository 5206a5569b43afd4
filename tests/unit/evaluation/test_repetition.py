import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from mnistkit import Trainer, create_model
from mnistkit.errors import ConfigError
from mnistkit.evaluation import Repetition, repeat
from mnistkit.metrics import Evaluation, Proportion

VALUES = (0.9943, 0.9940, 0.9943, 0.9942, 0.9935)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_mean_deviation_and_interval_are_statsmodels(values):
    got, expected = Repetition(tuple(range(len(values))), tuple(values)), DescrStatsW(values, ddof=1)
    assert got.mean == pytest.approx(expected.mean, abs=1e-9)
    assert got.std == pytest.approx(expected.std, abs=1e-9)
    assert got.interval == pytest.approx(DescrStatsW(values).tconfint_mean(), abs=1e-6)


def test_it_prints_every_value():
    assert str(Repetition(tuple(range(5)), VALUES)) == (
        "mean 0.99406, standard deviation 0.00034 over 5 seeds; 95 % interval of the mean 0.99364 to 0.99448\n"
        "each: 0.9943, 0.994, 0.9943, 0.9942, 0.9935"
    )


def test_one_value_has_no_deviation():
    one = Repetition((7,), (0.9,))
    assert (one.mean, math.isnan(one.std), [math.isnan(bound) for bound in one.interval]) == (0.9, True, [True, True])
    assert str(one) == "0.9 with one seed, which says nothing about the next"
    assert json.loads(json.dumps(one.to_json())) == {
        "seeds": [7], "values": [0.9], "mean": 0.9, "std": None, "interval": None
    }  # fmt: skip


def test_it_can_be_written_as_json():
    result = Repetition(tuple(range(5)), VALUES)
    content = json.loads(json.dumps(result.to_json()))
    assert content["values"] == list(VALUES)
    assert (content["std"], content["interval"]) == (result.std, list(result.interval))


def test_each_seed_is_given_and_seeds_everything():
    drawn = {}

    def train_once(seed):
        drawn[seed] = torch.rand(3).tolist()
        return drawn[seed][0]

    first = repeat(train_once, seeds=iter([3, 1]))
    assert first.seeds == (3, 1)
    assert first.values == (drawn[3][0], drawn[1][0])
    assert drawn[3] != drawn[1]
    # In another order, and after other draws, a seed gives the same.
    torch.rand(100)
    assert repeat(train_once, seeds=[1, 3]).values == first.values[::-1]


def test_reports_and_evaluations_count_by_their_accuracy(report):
    assert repeat(lambda seed: report, seeds=[0]).values == (report.accuracy,)
    assert repeat(lambda seed: Evaluation(0.5, 4, Proportion(3, 4)), seeds=[0]).values == (0.75,)
    assert repeat(lambda seed: seed, seeds=[2, 4]).values == (2.0, 4.0)
    assert len(repeat(lambda seed: 0.5).seeds) == 5


def test_a_run_can_be_repeated_from_its_seed(small):
    def train_once(seed):
        trainer = Trainer(create_model("softmax_regression"), seed=seed, progress=False)
        trainer.fit(small.train, epochs=1)
        return trainer.evaluate(small.validation).loss

    result = repeat(train_once, seeds=[0, 1])
    assert result.values == repeat(train_once, seeds=[0, 1]).values
    assert result.values[0] != result.values[1]


@pytest.mark.parametrize("seeds", [[], [1, 2, 1]])
def test_no_seed_or_one_twice_is_refused(seeds):
    with pytest.raises(ConfigError, match=r"got seeds \[.*\], expected at least one, each once"):
        repeat(lambda seed: 0.0, seeds=seeds)


def test_an_error_in_a_run_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        repeat(lambda seed: 1 / 0)
