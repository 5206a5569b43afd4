"""Two real processes that are told to end, both or one of them: they end at one step, and go on from there to the same bits."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

PROGRAM = Path(__file__).with_name("interrupted.py")


def take_signals():
    for number in (signal.SIGINT, signal.SIGTERM):  # a test run in the background may ignore the first
        signal.signal(number, signal.SIG_DFL)


def test_all_end_at_one_step_whichever_was_told_and_go_on_from_there(tmp_path, worlds):
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(tmp_path)],
            env=world,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=take_signals,
        )
        for world in worlds
    ]
    try:
        for step, told, number in ((2, processes[1:], signal.SIGTERM), (9, processes, signal.SIGINT)):
            while not all((tmp_path / f"{step}.{rank}.waits").exists() for rank in (0, 1)):
                assert [process.poll() for process in processes] == [None, None]
                time.sleep(0.01)
            for process in told:
                process.send_signal(number)
            (tmp_path / f"{step}.sent").touch()
        written = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    expected = ["143 3", "interrupted 10", "ended 21", "ended 21", "True"]
    assert [output.splitlines() for output, _ in written] == [expected, expected], written
