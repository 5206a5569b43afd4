"""mypy has nothing to say of what is typed; it sees through the lazy names, and sees mistakes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1]

# Mypy's errors: the file's name, the line, and what is said of it.
Complaints: TypeAlias = list[tuple[str, int, str]]

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
    """What mypy says of all that `python -m mypy` looks at, and of the mistakes."""
    mistakes = tmp_path_factory.mktemp("typing") / "mistakes.py"
    mistakes.write_text(MISTAKES)
    files = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *files, str(mistakes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.stderr == ""
    found = re.findall(r"^(.+?):(\d+): error: (.+)", done.stdout, re.MULTILINE)
    return [(Path(path).name, int(line), said) for path, line, said in found]


@pytest.mark.processes
def test_all_that_is_typed_has_the_types_that_it_should(complaints: Complaints) -> None:
    """The package, its examples and benchmarks, and ordinary use in typing/usage.py."""
    assert [one for one in complaints if one[0] != "mistakes.py"] == []


@pytest.mark.processes
def test_every_mistake_is_seen_and_nothing_else(complaints: Complaints) -> None:
    seen: dict[int, set[str]] = {}
    for name, line, said in complaints:
        if name == "mistakes.py":
            seen.setdefault(line, set()).update(re.findall(r"\[([a-z-]+)\]$", said))
    lines = enumerate(MISTAKES.splitlines(), 1)
    assert seen == {number: set(line.partition("# ")[2].split()) for number, line in lines if "#" in line}
