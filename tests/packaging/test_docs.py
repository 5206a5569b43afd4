import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built from a copy: the tutorials shown but not run, which tests/examples does."""
    folder = tmp_path_factory.mktemp("docs")
    for part in ("docs", "examples", "benchmarks", "src/mnistkit/errors.py", "src/mnistkit/training", "CHANGELOG.md"):
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            built = shutil.ignore_patterns("_build", "tutorials") if part == "docs" else None
            shutil.copytree(source, target, ignore=built)
        else:
            shutil.copy(source, target)
    build = subprocess.run(
        [sys.executable, "docs/build.py", "--no-tutorials"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert build.returncode == 0, build.stderr
    return folder / "docs" / "_build" / "html"


@pytest.mark.processes
def test_the_documentation_builds_without_a_warning(site):
    assert "on_gradients" in (site / "training.html").read_text()
    assert "Your own handwriting" in (site / "tutorials" / "index.html").read_text().replace("your", "Your")


@pytest.mark.processes
def test_tables_and_pictures_come_from_the_package(site):
    models = (site / "models.html").read_text()
    assert "1,007,590" in models
    assert "4,978 of 5,000" in models
    assert "CC BY-SA 4.0" in (site / "data.html").read_text()
    frames = (site / "frames.html").read_text()
    assert frames.count('class="picture only-dark') == frames.count('class="picture only-light') == 2
    assert len(list((site / "_images").glob("frames-*.png"))) == 9


@pytest.mark.processes
def test_every_link_within_the_pages_leads_somewhere(site):
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken, checked = [], 0
    for page, text in pages.items():
        for link in re.findall(r'\b(?:href|src)="([^"]+)"', text):
            if re.match(r"[a-z]+:|//", link):
                continue
            address, anchor = urldefrag(link)
            target = (page.parent / unquote(address.split("?")[0])).resolve() if address else page
            checked += 1
            if not target.exists() or (anchor and target in ids and unquote(anchor) not in ids[target]):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []
    assert checked > 1000
