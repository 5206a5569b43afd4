"""What every test, and every example in a docstring, starts from."""

import os
import socket

import pytest
import torch

import mnistkit

# Run by hand, for as long as one likes: `python -m tests.hostile`.
collect_ignore = ["tests/hostile"]

# Several test processes share the cores, and one thread each is both faster and repeatable; so for those that they start.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _public_names(doctest_namespace):
    """Examples use the public names as a reader would, after `from mnistkit import ...`."""
    for name in mnistkit.__all__:
        doctest_namespace[name] = getattr(mnistkit, name)
    doctest_namespace["torch"] = torch


@pytest.fixture(autouse=True)
def _seeded():
    mnistkit.seed_everything(0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Nothing may reach beyond this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to connect to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch, tmp_path_factory):
    """Downloads and relative paths end up in a folder of the test's own."""
    monkeypatch.setenv("MNISTKIT_HOME", str(tmp_path_factory.mktemp("home")))


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
