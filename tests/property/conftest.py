import pytest


@pytest.fixture(autouse=True)
def _not_measured(no_cover):
    """Other tests run the same lines; measured, hypothesis and so many examples would take twice as long."""
