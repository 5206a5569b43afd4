"""The wheel and the source archive: built as for a release, and used where the repository is out of sight."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import mnistkit

ROOT = Path(__file__).parents[1]
DATA = {
    f"mnistkit/data/_mnist/{name}.gz"
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
}


def run(*arguments, **options):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=200, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both archives, built from a copy of what git tracks or would track; the wheel from the source archive."""
    folder = tmp_path_factory.mktemp("build")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "copy" / name)
    run("-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "copy")
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return SimpleNamespace(wheel=wheel, sdist=sdist, in_wheel=in_wheel, in_sdist=in_sdist, listed=listed.split("\0"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A folder with nothing in it but the installed wheel."""
    target = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", target, built.wheel)
    return target


@pytest.mark.processes
def test_both_archives_hold_the_data_the_type_marker_and_the_licences(built):
    version = mnistkit.__version__
    licences = {f"mnistkit-{version}.dist-info/licenses/{name}" for name in ("LICENSE", "DATA_LICENSES.md")}
    assert {*DATA, "mnistkit/py.typed", "mnistkit/evaluation/page.css", *licences} <= built.in_wheel
    assert {f"src/{name}" for name in (*DATA, "mnistkit/py.typed")} <= built.in_sdist
    assert {"LICENSE", "DATA_LICENSES.md", "README.md", "CHANGELOG.md", "pyproject.toml"} <= built.in_sdist


@pytest.mark.processes
def test_the_wheel_holds_every_module_and_nothing_else(built):
    package = {
        name.removeprefix("src/") for name in built.listed if name.startswith("src/") and (ROOT / name).is_file()
    }
    assert {name for name in built.in_wheel if ".dist-info/" not in name} == package


@pytest.mark.processes
def test_the_source_archive_can_be_tested(built):
    tests = {name for name in built.listed if name.startswith(("tests/", "checks/")) and (ROOT / name).is_file()}
    assert {"conftest.py", *tests} <= built.in_sdist


@pytest.mark.processes
def test_the_package_index_would_take_both(built):
    output = run("-m", "twine", "check", "--strict", built.wheel, built.sdist)
    assert output.count("PASSED") == 2


@pytest.mark.processes
def test_the_installed_wheel_works_without_the_repository(installed, tmp_path):
    program = f"""
import sys
sys.path = [{str(installed)!r}, *(p for p in sys.path if not p.startswith({str(ROOT / "src")!r}))]
import mnistkit
train, validation, test = mnistkit.load_mnist()
model = mnistkit.create_model("lenet5")
print(len(train), len(validation), len(test), model(test.preprocessing.normalize(test.images[:2])).shape[1])
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "mnistkit"), sep="\\n")
"""
    figures, *files = run("-c", program, cwd=tmp_path).splitlines()
    assert figures == "55000 5000 10000 10"
    assert len(files) > 20
    assert all(Path(file).is_relative_to(installed) for file in files)


@pytest.mark.processes
def test_the_wheel_brings_the_command(installed, tmp_path):
    (command,) = (installed / "bin").iterdir()
    assert command.name == "mnistkit"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    assert run(command, "--version", cwd=tmp_path, env=environment) == f"mnistkit {mnistkit.__version__}\n"


def test_there_is_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert project["version"] == mnistkit.__version__
    assert headings[0] == "Unreleased" or headings[0] == mnistkit.__version__
    assert all(version == mnistkit.__version__ for version in released[:1])
