"""Two real processes, of which one dies or falls silent: the other one does not wait for ever, and says why."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

PROGRAM = Path(__file__).with_name("losing_a_rank.py")


@pytest.mark.parametrize("how", ["dies", "silent"])
def test_the_other_rank_ends_with_a_clear_error(how, two):
    with two(PROGRAM, how) as (first, _):
        output, errors = first.communicate()
    assert output.startswith("ProcessGroupError process 0 of 2 waited in vain for another one"), errors
    assert first.returncode == 0
