import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistkit.metrics import MetricSums, Proportion
from mnistkit.types import StepOutput

_counts = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=50)
@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), max_size=6), st.integers(0, 1000))
    )
)
def test_the_sums_of_any_split_into_batches_are_those_of_the_whole(case):
    count, cuts, seed = case
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (count,), generator=generator)
    margin = torch.rand(count, generator=generator, dtype=torch.float64)

    def result(edges):
        sums = MetricSums()
        for start, end in itertools.pairwise(edges):
            rows, right = logits[start:end], labels[start:end]
            loss = torch.nn.functional.cross_entropy(rows, right)
            sums.update(StepOutput(loss, rows, {"margin": margin[start:end].mean()}), right)
        return sums.compute()

    whole = result([0, count])
    split = result(sorted({0, *cuts, count}))
    right = Proportion(int((logits.argmax(1) == labels).sum()), count)
    assert (split.count, split.score) == (whole.count, whole.score) == (count, right)
    assert split.loss == pytest.approx(whole.loss, rel=1e-12)
    assert split.metrics["margin"] == pytest.approx(float(margin.mean()), rel=1e-12)


@settings(max_examples=50)
@given(_counts)
def test_wilsons_interval_lies_in_0_to_1_and_contains_the_proportion(case):
    correct, count = case
    low, high = Proportion(correct, count).interval
    assert 0 <= low <= correct / count <= high <= 1
    assert low < high


@settings(max_examples=50)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_small_samples_too(case):
    correct, count = case
    low, high = Proportion(correct, count).interval
    assert 0 <= low <= correct / count <= high <= 1


@settings(max_examples=50)
@given(st.integers(2, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_more_right_answers_move_both_bounds_up(case):
    correct, count = case
    lower, higher = Proportion(correct, count).interval, Proportion(correct + 1, count).interval
    assert lower[0] < higher[0]
    assert lower[1] < higher[1] or higher[1] == 1


@settings(max_examples=50)
@given(st.integers(1, 10**4).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_more_images_at_the_same_accuracy_make_it_narrower(case):
    correct, count = case

    def width(correct, count):
        low, high = Proportion(correct, count).interval
        return high - low

    assert width(10 * correct, 10 * count) < width(correct, count)


@settings(max_examples=50)
@given(_counts)
def test_right_and_wrong_mirror_each_other(case):
    correct, count = case
    low, high = Proportion(correct, count).interval
    mirrored = Proportion(count - correct, count).interval
    assert math.isclose(low, 1 - mirrored[1], abs_tol=1e-12)
    assert math.isclose(high, 1 - mirrored[0], abs_tol=1e-12)
