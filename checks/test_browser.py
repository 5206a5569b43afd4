"""A report's page in a real browser."""

import re
import shutil
import subprocess

import pytest

from mnistkit import DigitDataset, create_model, evaluate

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium, which .ci/run installs"),
]

# Scripts of the page would run in the frame, and would reach the title through it.
FRAME = """<!doctype html><title>quiet</title>
<iframe src="report.html" width="{width}" height="900" onload="
    const page = this.contentDocument;
    document.body.append(`width ${{page.documentElement.scrollWidth}} rows ${{page.querySelectorAll('tr').length}}`)
"></iframe>"""
ATTACK = "<img src=x onerror=\"top.document.title='loud'\"><script>top.document.title='loud'</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mnist):
    """A report of a data set whose every name would like to run a script."""
    folder = tmp_path_factory.mktemp("page")
    data = mnist.test[:300]
    names = [f"{label}{ATTACK}" for label in range(10)]
    images, labels = data.images[:, 0].numpy(), data.labels.numpy()
    hostile = DigitDataset.from_arrays(images, labels, classes=names, split="test", name=ATTACK)
    evaluate(create_model("lenet5"), hostile).save_html(folder / "report.html")
    return folder


@pytest.mark.parametrize("width", [390, 1400])
def test_a_report_fits_a_phone_and_a_desk_and_runs_nothing(folder, tmp_path, width):
    (folder / "frame.html").write_text(FRAME.format(width=width))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
    ]
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path}", "--dump-dom", (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found, rows = map(int, re.search(r"width (\d+) rows (\d+)", done.stdout).groups())
    assert found <= width
    assert rows > 20
    assert "<title>quiet</title>" in done.stdout
    assert "CONSOLE" not in done.stderr
