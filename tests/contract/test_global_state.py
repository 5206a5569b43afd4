"""What the program has set up stays as it is, whatever it asks of the library: filters, generators, threads, handlers, modes."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("global_state.py")


def test_no_public_door_changes_what_the_program_has_set_up(tmp_path):
    """In a process of its own, where every door is used for the first time."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    changes, said = done.stdout.split("\n", 1)
    assert (changes, said) == ("19 doors", "")
