"""mnistkit-runtime: the wheel, in an environment with nothing but what it depends on, answers as mnistkit does."""

import importlib.metadata
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from mnistkit import Predictor
from mnistkit.imaging import list_sample_pictures, sample_picture

ROOT = Path(__file__).parents[1]
# What the program in the other environment does: labels of frames, then answers for pictures and pages.
PROGRAM = """
import json, resource, sys
import numpy as np
from mnistkit import Predictor
kept, predictor = np.load(sys.argv[1]), Predictor()
logits = predictor.classifier.logits(kept["frames"])
pictures = [predictor.predict(kept[f"picture {n}"], coverage=0.98).to_json() for n in range(int(kept["pictures"]))]
pages = [predictor.read(kept[f"page {n}"], coverage=0.98).to_json() for n in range(int(kept["pages"]))]
np.savez(sys.argv[2], logits=logits)
modules = [name for name in ("torch", "torchvision", "safetensors", "tqdm", "matplotlib") if name in sys.modules]
print(json.dumps({"pictures": pictures, "pages": pages, "modules": modules}))
"""


def run(python, *arguments):
    # Isolated: neither the folder nor the variables of this process lead to another mnistkit.
    done = subprocess.run([python, "-I", *map(str, arguments)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def link(python, requirements):
    """Puts what is installed here of these, and of what they need, into another environment."""
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    found, wanted = set(), list(requirements)
    while wanted:
        one = Requirement(wanted.pop())
        if one.name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(one.name)
        distribution = importlib.metadata.distribution(one.name)
        wanted += distribution.requires or []
        for top in {Path(file).parts[0] for file in distribution.files} - {"..", "__pycache__", "google"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    return packages


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT / "runtime")
    return next(folder.glob("mnistkit_runtime-*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The program of a new environment that has the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        required = re.findall(r"^Requires-Dist: (.+)", archive.read(metadata).decode(), re.MULTILINE)
        extras = set(re.findall(r"^Provides-Extra: (\S+)", archive.read(metadata).decode(), re.MULTILINE))
    assert extras == {"heif", "pandas", "pdf", "plot"}
    required = [one for one in required if "extra ==" not in one]
    assert sorted(re.match(r"[\w-]+", one)[0] for one in required) == [
        "numpy",
        "onnxruntime",
        "opencv-python-headless",
        "pillow",
    ]
    packages = link(python, required)
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", packages, wheel)
    return python


@pytest.fixture(scope="module")
def answers(python, mnist, tmp_path_factory):
    """What the runtime says of all test images, of pictures and of pages; and these."""
    frames = mnist.test.images.numpy()
    pictures = [255 - np.pad(frame[0], 30) for frame in frames[:150]]
    pictures += [np.asarray(sample_picture(name)) for name in list_sample_pictures()]
    pictures += [np.random.default_rng(seed).integers(0, 256, (90, 120, 3)).astype(np.uint8) for seed in range(5)]
    rows = [255 - np.concatenate(frames[start : start + 8, 0], axis=1) for start in range(0, 160, 8)]
    pages = [
        np.concatenate([np.pad(row, 20, constant_values=255) for row in rows[at : at + 4]]) for at in range(0, 20, 4)
    ]
    pages += [np.asarray(sample_picture("numbers")), np.full((60, 60), 255, np.uint8)]
    folder = tmp_path_factory.mktemp("answers")
    arrays = {f"picture {n}": array for n, array in enumerate(pictures)} | {
        f"page {n}": array for n, array in enumerate(pages)
    }
    np.savez(folder / "given.npz", frames=frames, pictures=len(pictures), pages=len(pages), **arrays)
    said = json.loads(run(python, "-c", PROGRAM, folder / "given.npz", folder / "logits.npz"))
    with np.load(folder / "logits.npz") as kept:
        return said, kept["logits"], frames, pictures, pages


def nearly(answer):
    """An answer with its probabilities rounded: another program adds in another order."""
    return json.loads(json.dumps(answer), parse_float=lambda text: round(float(text), 3))


def test_all_test_images_are_read_as_by_mnistkit(answers):
    _, logits, frames, _, _ = answers
    ours = Predictor(device="cpu").classifier.logits(frames)
    assert (logits.argmax(1) == ours.argmax(1)).all()
    np.testing.assert_allclose(logits, ours, atol=1e-3)


def test_pictures_and_pages_are_read_as_by_mnistkit(answers):
    said, _, _, pictures, pages = answers
    predictor = Predictor(device="cpu")
    for picture, answer in zip(pictures, said["pictures"], strict=True):
        ours = predictor.predict(picture, coverage=0.98).to_json()
        assert (answer["name"], answer["rejected"] is None) == (ours["name"], ours["rejected"] is None)
        assert answer["probabilities"] == pytest.approx(ours["probabilities"], abs=2e-3)
    for page, answer in zip(pages, said["pages"], strict=True):
        ours = predictor.read(page, coverage=0.98).to_json()
        assert (answer["lines"], answer["numbers"], answer["turned"]) == (
            ours["lines"],
            ours["numbers"],
            ours["turned"],
        )


def test_nothing_else_was_imported(answers):
    assert answers[0]["modules"] == []


def test_every_module_of_the_wheel_can_be_imported(wheel, python):
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.endswith(".py")]
    names = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files}
    assert {"mnistkit.reading", "mnistkit.runtime", "mnistkit.imaging"} <= names
    # These need tqdm, matplotlib and PyInstaller.
    names = sorted(names - {"mnistkit._core.progress", "mnistkit._core.figure", "mnistkit.pyinstaller.hook-mnistkit"})
    run(python, "-c", f"import importlib\nfor name in {names}: importlib.import_module(name)")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import mnistkit; mnistkit.Trainer", "installed: pip uninstall mnistkit-runtime, then pip install mnistkit"),
        ("from mnistkit import Predictor; Predictor().read(b'%PDF-1.7')", "pip install 'mnistkit-runtime[pdf]'"),
        ("from mnistkit import load_mnist", "mnistkit.load_mnist needs the whole of mnistkit"),
        ("from mnistkit import Predictor; Predictor(device='cuda')", "mnistkit-runtime has the CPU and 'onnx'"),
        ("from mnistkit import Predictor; Predictor.from_checkpoint('x')", "Predictor.from_checkpoint() needs the whole"),
        ("from mnistkit import Predictor; Predictor().explain(b'')", "ImageError"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_said(python, program, says):
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def wheels(wheel, tmp_path_factory):
    """Of both distributions, by name."""
    folder = tmp_path_factory.mktemp("whole")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    return {"mnistkit-runtime": wheel, "mnistkit": next(folder.glob("*.whl"))}


@pytest.mark.parametrize("removed", ["mnistkit", "mnistkit-runtime"])
def test_both_in_one_environment_are_the_whole_and_what_removing_one_breaks_is_mended_by_a_line(
    wheels, removed, tmp_path
):
    venv.create(tmp_path, with_pip=False)
    python = tmp_path / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "dependencies.pth").write_text(str(Path(np.__file__).parents[1]))
    (kept,) = {*wheels} - {removed}
    computes = "from mnistkit import Predictor; print(type(Predictor(device='cpu').classifier).__name__)"

    def pip(*arguments):
        run(sys.executable, "-m", "pip", "--python", python, "--quiet", *arguments)

    for name in (removed, kept):
        pip("install", "--no-deps", "--no-index", wheels[name])
    assert run(python, "-c", computes).strip() == "Classifier"
    pip("uninstall", "--yes", removed)
    broken = subprocess.run([python, "-I", "-c", computes], capture_output=True, text=True, timeout=100)
    assert "ImportError" in broken.stderr
    pip("install", "--force-reinstall", "--no-deps", "--no-index", wheels[kept])
    assert run(python, "-c", computes).strip() == {"mnistkit": "Classifier", "mnistkit-runtime": "OnnxClassifier"}[kept]


def test_a_classifier_of_ones_own_is_read(python, small, tmp_path):
    from mnistkit import Trainer, create_model

    trainer = Trainer(create_model("mlp"), progress=False)
    trainer.fit(small.train, epochs=2)
    classifier = trainer.classifier()
    classifier.export(tmp_path / "mine.onnx")
    frames = small.test.images.numpy()
    np.save(tmp_path / "frames.npy", frames)
    program = """
import sys
import numpy as np
from mnistkit.runtime import OnnxClassifier
print(OnnxClassifier.load(sys.argv[1]).logits(np.load(sys.argv[2])).argmax(1).tolist())
"""
    said = json.loads(run(python, "-c", program, tmp_path / "mine.onnx", tmp_path / "frames.npy"))
    assert said == classifier.logits(frames).argmax(1).tolist()


def test_the_lines_of_the_container_serve_with_the_runtime_alone(python, tmp_path):
    """Where no builder of containers is: what the recipe copies, installs and starts, in the environment of the wheel."""
    recipe = (ROOT / "examples" / "service" / "Containerfile").read_text()
    lines = dict(re.findall(r"^(RUN pip install|COPY examples|HEALTHCHECK CMD|CMD) ?(.*)$", recipe, re.MULTILINE))
    link(python, re.search(r"\.whl (.*?) &&", lines["RUN pip install"])[1].split())
    source, target = lines["COPY examples"].split()
    service = tmp_path / target.lstrip("/")
    service.parent.mkdir()
    shutil.copy(ROOT / "examples" / source.lstrip("/"), service)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(service.parent) if word == "/srv" else word for word in json.loads(lines["CMD"])]
    healthy = shlex.split(lines["HEALTHCHECK CMD"].replace(":8000/", f":{port}/"))[1:]
    with subprocess.Popen([python, "-I", "-m", *command, "--port", str(port)], cwd=tmp_path) as server:
        try:
            for _ in range(500):
                assert server.poll() is None
                if not subprocess.run([python, "-I", *healthy], capture_output=True, timeout=100).returncode:
                    break
                time.sleep(0.2)
            sample_picture("seven").save(tmp_path / "seven.png")
            request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", (tmp_path / "seven.png").read_bytes())
            with urllib.request.urlopen(request, timeout=100) as answer:
                assert json.load(answer)["answers"][0]["name"] == "7"
        finally:
            server.terminate()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux, which says how much memory it took")
def test_the_first_answer_takes_little_memory_and_imports_nothing_that_only_others_need(python, tmp_path):
    sample_picture("seven").save(tmp_path / "seven.png")
    program = """
import re, sys
from mnistkit import Predictor
assert Predictor().predict(sys.argv[1]).label == 7
# A twentieth of the seconds to the first answer each.
assert not {"numpy.ma", "importlib.resources", "PIL.ImageDraw"} & set(sys.modules)
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
    assert int(run(python, "-c", program, tmp_path / "seven.png")) < 150_000
