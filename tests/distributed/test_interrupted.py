"""Two real processes that are told to end, both or one of them: they end at one step, and go on from there to the same bits."""

import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

PROGRAM = Path(__file__).with_name("interrupted.py")


def test_all_end_at_one_step_whichever_was_told_and_go_on_from_there(tmp_path, two):
    with two(PROGRAM, tmp_path) as processes:
        for step, told, number in ((2, processes[1:], signal.SIGTERM), (9, processes, signal.SIGINT)):
            while not all((tmp_path / f"{step}.{rank}.waits").exists() for rank in (0, 1)):
                assert [process.poll() for process in processes] == [None, None]
                time.sleep(0.01)
            for process in told:
                process.send_signal(number)
            (tmp_path / f"{step}.sent").touch()
        written = [process.communicate() for process in processes]
    expected = ["143 3", "interrupted 10", "ended 21", "ended 21", "True"]
    assert [output.splitlines() for output, _ in written] == [expected, expected], written
