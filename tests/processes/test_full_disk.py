"""A disk that fills up while a checkpoint is written."""

import pytest

from mnistkit.checkpoint import read_checkpoint
from mnistkit.cli import main

pytestmark = pytest.mark.processes


# The system refuses the write half way, as a full disk does.
NO_FILE_OVER_64_KB = """
import resource
from mnistkit.cli import run
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
run()
"""


def test_a_full_disk_is_reported_and_the_checkpoint_before_it_stays(start, train_command, tmp_path, capsys):
    run = tmp_path / "run"
    command = [*train_command, "--schedule", "constant"]  # such a run can be made longer
    assert main([*command, "--epochs", "1"]) == 0
    names = ["best.safetensors", "history.csv", "last.safetensors"]
    before = {name: (run / name).read_bytes() for name in names}
    assert len(before["last.safetensors"]) > 2**16

    process = start([*command, "--epochs", "3", "--resume"], program=("-c", NO_FILE_OVER_64_KB))
    output, errors = process.communicate()

    assert process.returncode == 8
    failed = next(name for name in names if f"mnistkit: cannot write {run / name}: " in errors)
    assert errors.endswith(
        f"mnistkit: cannot write {run / failed}: File too large; the earlier file there is intact; free some space\n"
    )
    assert "Traceback" not in errors
    assert output == ""
    assert sorted(path.name for path in run.iterdir()) == names
    assert all((run / name).read_bytes() == before[name] for name in names if name != "history.csv")
    assert read_checkpoint(run / "last.safetensors").training["epoch"] == 1

    assert main([*command, "--epochs", "3", "--resume"]) == 0
    assert read_checkpoint(run / "last.safetensors").training["epoch"] == 3
