import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import zconfint

from mnistkit import Classifier, Predictor, create_model, evaluate
from mnistkit.errors import DataError
from mnistkit.evaluation import Comparison, compare

counts = st.integers(0, 400)


def made(only_first, only_second, both=900, neither=10):
    return Comparison("one", "other", both, only_first, only_second, neither)


@given(counts, counts)
def test_the_p_value_is_statsmodels(only_first, only_second):
    comparison = made(only_first, only_second)
    exact = comparison.test == "exact binomial"
    assert exact == (only_first + only_second < 25)
    if only_first == only_second:
        # Of the correction nothing is left to correct; statsmodels would take it off 0 and square it.
        assert comparison.p_value == 1.0
    else:
        expected = mcnemar([[900, only_first], [only_second, 10]], exact=exact, correction=True)
        assert comparison.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(counts, counts, counts, counts)
def test_the_interval_is_that_of_the_mean_with_one_more_of_each_kind(both, only_first, only_second, neither):
    comparison = made(only_first, only_second, both, neither)
    values = [0] * (both + neither) + [1] * (only_first + 1) + [-1] * (only_second + 1)
    low, high = zconfint(values, ddof=0)
    if max(abs(low), abs(high)) <= 1:
        assert comparison.interval == pytest.approx((low, high), abs=1e-9)
    assert -1 <= comparison.interval[0] < comparison.interval[1] <= 1


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_order_of_the_models_only_turns_the_sign(only_first, only_second):
    here, there = made(only_first, only_second), made(only_second, only_first)
    assert here.p_value == there.p_value
    assert here.difference == -there.difference
    assert here.interval == pytest.approx((-there.interval[1], -there.interval[0]))


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    # 3 % of images only the first gets right, 1 % only the second: the interval should cover 0.02 in 95 of 100 draws.
    rng = np.random.default_rng(0)
    draws = rng.multinomial(300, [0.9, 0.03, 0.01, 0.06], size=4000)
    inside = [low <= 0.02 <= high for low, high in (Comparison("a", "b", *map(int, row)).interval for row in draws)]
    assert 0.935 < np.mean(inside) < 0.985


def test_equal_models_differ_significantly_no_more_than_once_in_twenty():
    rng = np.random.default_rng(0)
    for apart in (10, 24, 25, 100):
        firsts = rng.binomial(apart, 0.5, size=4000)
        assert np.mean([made(int(k), apart - int(k)).significant for k in firsts]) < 0.058


def test_two_reports_are_counted_image_by_image(answering):
    labels = [0, 0, 0, 0, 1, 1]
    right, wrong = [9.0, 0.0], [0.0, 9.0]
    one, data = answering(labels, [right, right, wrong, wrong, wrong, right])
    other, _ = answering(labels, [right, wrong, right, wrong, wrong, wrong])
    result = compare(evaluate(one, data, name="one"), evaluate(other, data, name="other"))
    assert result == Comparison("one", "other", both=2, only_first=1, only_second=2, neither=1)
    assert (result.count, result.difference) == (6, -1 / 6)
    assert (result.first_accuracy, result.second_accuracy) == (3 / 6, 4 / 6)


def test_a_real_difference_is_called_one():
    text = str(made(153, 27, both=9795, neither=25))
    assert text == (
        "On 10,000 images, one has 99.48% and other 98.22%, a difference of +1.26 points (95 % interval +1.00 to +1.52).\n"
        "Only one is right on 153, only other on 27: McNemar's test, chi-square with continuity correction, p < 0.0001.\n"
        "More than chance explains: the difference is real for images like these."
    )


def test_a_difference_that_chance_explains_is_called_that():
    text = str(made(3, 8, both=989, neither=0))
    assert "a difference of -0.50 points" in text
    assert "Only one is right on 3, only other on 8: McNemar's test, exact binomial, p = 0.23.\n" in text
    assert text.endswith("Chance explains as much: these images do not show which one is better.")


def test_models_of_one_name_are_told_apart_in_the_verdict():
    text = str(Comparison("lenet5", "lenet5", 90, 3, 1, 6))
    assert text.startswith("On 100 images, the first has 93.00% and the second 91.00%")


def test_models_that_are_right_on_the_same_images_cannot_be_told_apart(report):
    same = compare(report, report)
    assert (same.p_value, same.difference, same.significant) == (1.0, 0.0, False)
    assert (
        str(same)
        == "On 1,000 images, the first and the second are right on the same ones: they cannot be told apart here."
    )


def test_it_can_be_written_as_json():
    comparison = made(3, 8)
    content = json.loads(json.dumps(comparison.to_json()))
    assert content["p_value"] == comparison.p_value
    assert content["interval"] == list(comparison.interval)
    assert (content["first"], content["only_second"], content["count"]) == ("one", 8, 921)
    assert content["test"] == "exact binomial"


def test_other_data_are_refused(report, model, mnist):
    other = evaluate(model, mnist.test[1000:2000], name="late")
    with pytest.raises(
        DataError, match=rf"{report.fingerprint}\), late on mnist test .*the same images.*a Predictor of each"
    ):
        compare(report, other)


def test_models_of_other_sizes_are_compared_through_predictors(mnist):
    test = mnist.test[:100]
    cropped = test.crop(20)
    small, large = create_model("mlp", image_size=20), create_model("mlp")
    with pytest.raises(DataError, match="a paired test needs the same images"):
        compare(evaluate(small, cropped), evaluate(large, test))
    predictor = Predictor(Classifier(small, cropped.preprocessing))
    assert compare(evaluate(predictor, test), evaluate(large, test)).count == 100
