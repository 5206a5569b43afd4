"""The processes that most of these tests start are as those of an interpreter."""

import signal

import pytest

pytestmark = pytest.mark.processes

SAYS_WHAT_IT_HAS = """
import os, signal, sys
print(__name__, sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read())
print([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == [signal.default_int_handler, signal.SIG_DFL])
sys.exit(3)
"""


def test_a_program_has_what_it_is_given_and_its_own_end(forked, tmp_path):
    done = forked.run("-c", SAYS_WHAT_IT_HAS, "one", 2, env={"A": "b"}, cwd=tmp_path)
    said = f"__main__ ['one', '2'] {tmp_path} {{'A': 'b'}} \nTrue\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, said, "")


@pytest.mark.parametrize(
    ("program", "status", "errors"),
    [
        ("pass", 0, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("raise KeyError(7)", 1, "KeyError: 7\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import atexit, sys; atexit.register(print, 'end', file=sys.stderr)", 0, "end\n"),
        ("import sys, threading; threading.Thread(target=lambda: print('end', file=sys.stderr)).start()", 0, "end\n"),
    ],
)
def test_it_ends_as_an_interpreter_does(forked, program, status, errors):
    done = forked.run("-c", program)
    assert (done.returncode, done.stderr[-len(errors) :] if errors else done.stderr) == (status, errors)


def test_one_that_hangs_is_ended(forked):
    assert forked.run("-c", "import signal; signal.pause()", timeout=1).returncode == -signal.SIGALRM
    with forked.start("-c", "import signal; signal.pause()") as program:
        assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        assert (program.wait(), program.poll()) == (-signal.SIGTERM, -signal.SIGTERM)
