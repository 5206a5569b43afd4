import contextlib

import pytest


@pytest.fixture
def start(forked):
    """Starts a program, `python -m mnistkit` by default, and ends it with the test."""
    with contextlib.ExitStack() as started:
        yield lambda arguments, program=("-m", "mnistkit"): started.enter_context(forked.start(*program, *arguments))
