import pytest

from mnistkit.training import Callback


@pytest.fixture
def at():
    """Makes a callback that does one thing at one hook: `at("on_step_end", lambda trainer: ...)`."""

    def make(hook, action, name="at"):
        return type("At", (Callback,), {hook: lambda self, trainer: action(trainer), "name": name})()

    return make
