"""Type checkers see through the lazy names, and see mistakes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1]

# By file and line, the codes of mypy's errors.
Complaints: TypeAlias = dict[str, dict[int, set[str]]]

# Each line but the first two has the one mistake that is named beside it.
MISTAKES = """\
from mnistkit import Callback, Predictor, Trainer, create_model, load_mnist, register_model
from mnistkit.models import lenet5
from mnistkit import Trainr  # attr-defined
lenet5(activation="thanh")  # arg-type
lenet5(padding=1)  # arg-type
lenet5("relu")  # call-arg
create_model(5)  # arg-type
train, test = load_mnist()  # misc
load_mnist().train.take_per_clas(3)  # attr-defined
Trainer(lenet5(), precision="fp8")  # arg-type
Trainer(lenet5(), learning_rate=0.1)  # call-arg
Trainer(lenet5()).fit(7)  # arg-type
Trainer(lenet5()).evaluate(load_mnist().test).acuracy  # attr-defined
Predictor.from_checkpoint("x").predict(7)  # call-overload
register_model(lambda *, width: lenet5())(wdith=3)  # call-arg
class Closed(Trainer):
    def fit(self) -> None: ...  # override misc
class Wrong(Callback):
    def on_epoch_end(self, trainer: int) -> None: ...  # override
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Complaints:
    """What `mypy --strict` says of the examples and of the mistakes."""
    mistakes = tmp_path_factory.mktemp("typing") / "mistakes.py"
    mistakes.write_text(MISTAKES)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            ROOT / "checks" / "typing" / "usage.py",
            mistakes,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found: Complaints = {"usage.py": {}, "mistakes.py": {}}
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r"(.+?):(\d+): error: .+\[([a-z-]+)\]", line):
            path, number, code = match.groups()
            found[Path(path).name].setdefault(int(number), set()).add(code)
    assert done.stderr == ""
    return found


@pytest.mark.processes
def test_ordinary_use_has_the_types_that_it_should(complaints: Complaints) -> None:
    assert complaints["usage.py"] == {}


@pytest.mark.processes
def test_every_mistake_is_seen_and_nothing_else(complaints: Complaints) -> None:
    lines = enumerate(MISTAKES.splitlines(), 1)
    assert complaints["mistakes.py"] == {
        number: set(line.partition("# ")[2].split()) for number, line in lines if "#" in line
    }
