"""That each hostile kind still runs: a case or two of it, however fast the machine is."""

import pytest

from tests.hostile.__main__ import KINDS, alone


@pytest.mark.parametrize("kind", KINDS)
def test_no_first_case_fails(kind):
    outcome = alone(kind, seed=0, seconds=0)
    assert outcome.tried > 0
    assert outcome.failed == 0
