"""Long work says how far it is: with a bar in a terminal, in lines in a log."""

import io
import itertools
from types import SimpleNamespace

import pytest

from mnistkit._core import progress
from mnistkit._core.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown_on(monkeypatch):
    """What is shown on standard error of a kind while a thousand steps are done, 32 a second."""

    def run(stream, **options):
        clock = itertools.count(0, 1 / 32)
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        with Progress(1000, "pictures", **options) as bar:
            for number in range(1000):
                bar.update()
                if number == 499:
                    bar.write("half of them")
        return stream.getvalue()

    return run


def test_a_log_gets_a_plain_line_every_ten_seconds(shown_on):
    assert shown_on(io.StringIO()).splitlines() == [
        "320 of 1,000 pictures after 10 s",
        "half of them",
        "640 of 1,000 pictures after 20 s",
        "960 of 1,000 pictures after 30 s",
    ]


def test_a_terminal_gets_a_bar_that_leaves_nothing_but_what_was_written(shown_on):
    shown = shown_on(Terminal())
    assert "/1000 [" in shown
    assert "after" not in shown
    assert "half of them\n" in shown
    assert shown.count("\n") == 1
    assert not shown.rsplit("\r", 1)[-1].strip()


def test_nothing_is_shown_that_is_not_wanted_but_what_is_written(shown_on):
    for stream in (io.StringIO(), Terminal()):
        assert shown_on(stream, shown=False) == "half of them\n"
