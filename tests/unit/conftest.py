import pytest

from mnistkit.models import registry
from mnistkit.training import Callback


@pytest.fixture
def at():
    """Makes a callback that does one thing at one hook: `at("on_step_end", lambda trainer: ...)`."""

    def make(hook, action, name="at"):
        return type("At", (Callback,), {hook: lambda self, trainer: action(trainer), "name": name})()

    return make


@pytest.fixture
def own_models(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
