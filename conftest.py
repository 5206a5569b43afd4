"""What every test, and every example in a docstring, starts from.

Torch is imported in the fixtures only: the process that shares the tests out to others has no use for it, and they wait for it.
"""

import gc
import itertools
import os
import random
import socket
import sys

import pytest

import mnistkit

# Run by hand, for as long as one likes: `python -m tests.hostile`; and run by PyInstaller, which is not here.
collect_ignore = ["tests/hostile", "src/mnistkit/pyinstaller/hook-mnistkit.py"]

# Where bytecode is not to be kept, each of the processes that the tests start would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Several test processes share the cores, and one thread each is both faster and repeatable; so for those that they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Modules and tests stay to the end, so no search for garbage need go through them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# Once for all tests where that is enough: what is done for each of the thousands adds up.
@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Also where the environment says otherwise."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _public_names(doctest_namespace):
    """Examples use the public names as a reader would, after `from mnistkit import ...`."""
    import torch

    for name in mnistkit.__all__:
        doctest_namespace[name] = getattr(mnistkit, name)
    doctest_namespace["torch"] = torch


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    """Nothing may reach beyond this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to connect to {address}")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Names of folders, a new one each time; made by whoever writes there, since most tests do not."""
    folder = tmp_path_factory.mktemp("homes")
    return (str(folder / str(number)) for number in itertools.count())


@pytest.fixture(autouse=True)
def _alone(monkeypatch, homes):
    """Each test begins with the same random numbers, and its downloads end up in a folder of its own."""
    import numpy as np
    import torch

    monkeypatch.setenv("MNISTKIT_HOME", next(homes))
    # As `seed_everything` does, but for other devices: asked again and again, those take longer than most tests.
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)


@pytest.fixture(scope="session")
def mnist():
    """The bundled MNIST."""
    return mnistkit.load_mnist()


@pytest.fixture(scope="session")
def small(mnist):
    """A few hundred images of each split, every digit among them."""
    return type(mnist)(
        mnist.train.take_per_class(30), mnist.validation.take_per_class(10), mnist.test.take_per_class(10)
    )
