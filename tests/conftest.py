import pytest
from hypothesis import HealthCheck, settings

from tests.forked import Server

# How long one example takes depends on what else the machine does, and no test is to depend on that.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def forked():
    """Starts programs in real processes: `forked.run("-m", "mnistkit", "models")`, and `forked.start` for one to talk with."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def small_root(tmp_path_factory, small):
    """A folder that `mnistkit train --dataset fashion-mnist --root` reads: 300 digits to train on, 100 to test."""
    from mnistkit.data import write_idx

    root = tmp_path_factory.mktemp("root")
    for prefix, dataset in (("train", small.train), ("t10k", small.test)):
        write_idx(root / f"{prefix}-images-idx3-ubyte", dataset.images[:, 0].numpy())
        write_idx(root / f"{prefix}-labels-idx1-ubyte", dataset.labels.numpy().astype("uint8"))
    return root


@pytest.fixture
def train_command(small_root, tmp_path):
    """The arguments of a small `mnistkit train` that writes to `tmp_path / "run"`."""
    data = ["--dataset", "fashion-mnist", "--root", str(small_root), "--validation", "100"]
    return ["train", *data, "--batch-size", "16", "--device", "cpu", "--output", str(tmp_path / "run")]
