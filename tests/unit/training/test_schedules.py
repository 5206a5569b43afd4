"""Learning rates at the points that matter, and the arguments they refuse."""

import math

import pytest

from mnistkit.errors import ConfigError
from mnistkit.training import Constant, Cosine, OneCycle, Warmup


def rates(schedule, total):
    return [schedule(step, total) for step in range(total)]


def test_a_constant_never_changes():
    assert rates(Constant(0.1), 5) == [0.1] * 5


def test_a_cosine_goes_from_lr_to_final():
    values = rates(Cosine(0.2, final=0.02), 11)
    assert values[0] == pytest.approx(0.2)
    assert values[5] == pytest.approx(0.11)
    assert values[-1] == pytest.approx(0.02)
    assert values == sorted(values, reverse=True)
    assert Cosine(0.2)(100, 101) == pytest.approx(0, abs=1e-12)


def test_a_cosine_is_the_published_one():
    """Loshchilov & Hutter 2017, equation 5."""
    for step in range(8):
        expected = 0.01 + 0.5 * (0.3 - 0.01) * (1 + math.cos(step / 7 * math.pi))
        assert Cosine(0.3, 0.01)(step, 8) == pytest.approx(expected)


def test_one_cycle_climbs_to_its_peak_and_falls_to_nearly_nothing():
    values = rates(OneCycle(0.5, rise=0.25, start=0.1, final=0.01), 41)
    assert values[0] == pytest.approx(0.05)
    assert values[10] == pytest.approx(0.5)
    assert values[-1] == pytest.approx(0.005)
    assert max(values) == values[10]
    assert values[:11] == sorted(values[:11])
    assert values[10:] == sorted(values[10:], reverse=True)


@pytest.mark.parametrize(("rise", "peak_at"), [(0.0, 0), (1.0, 10)])
def test_one_cycle_may_only_fall_or_only_climb(rise, peak_at):
    values = rates(OneCycle(0.5, rise=rise), 11)
    assert values[peak_at] == max(values) == pytest.approx(0.5)


def test_warm_up_is_a_straight_line_and_then_the_other_schedule_from_its_beginning():
    schedule = Warmup(4, Cosine(0.1))
    assert rates(schedule, 14)[:4] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert rates(schedule, 14)[4:] == rates(Cosine(0.1), 10)


@pytest.mark.parametrize("schedule", [Constant(0.1), Cosine(0.1), OneCycle(0.1), Warmup(3, Cosine(0.1))], ids=repr)
@pytest.mark.parametrize("total", [1, 2, 3])
def test_runs_of_very_few_steps_have_positive_rates_at_their_start(schedule, total):
    assert 0 < schedule(0, total) <= 0.1


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_not_a_positive_number_is_refused_by_its_own_name(lr):
    for schedule, name in ((Constant, "lr"), (Cosine, "lr"), (OneCycle, "peak")):
        with pytest.raises(ConfigError, match=f"{name} is {lr}, expected a positive number"):
            schedule(lr)


@pytest.mark.parametrize("rise", [-0.1, 1.1, math.nan])
def test_a_rise_outside_0_to_1_is_refused(rise):
    with pytest.raises(ConfigError, match=f"rise is {rise}, expected a fraction from 0 to 1"):
        OneCycle(0.1, rise=rise)


def test_a_warm_up_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match="steps is 0, expected at least 1"):
        Warmup(0, Constant(0.1))


def test_schedules_say_what_they_are():
    """A checkpoint compares their reprs."""
    assert repr(Warmup(2, OneCycle(0.1))) == (
        "Warmup(steps=2, then=OneCycle(peak=0.1, rise=0.3, start=0.04, final=0.0001))"
    )
