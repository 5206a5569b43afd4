import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from babel.messages.pofile import read_po

from mnistkit import Classifier
from mnistkit.metrics import Proportion

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "docs" / "locale" / "zh_CN" / "LC_MESSAGES"
# Each measurement writes these anew: until that is translated too, it is shown in English.
MEASURED = {"lenet_1998", "research", "zoo"}
TRANSLATED = sorted(path.relative_to(CATALOGUES).with_suffix("").as_posix() for path in CATALOGUES.rglob("*.po"))


def _built(folder, _):
    """What earlier builds left in docs/; the catalogues have a folder "tutorials" too."""
    return {"_build", "tutorials"} if Path(folder) == ROOT / "docs" else set()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built from a copy: the tutorials shown but not run, which test_tutorials.py does."""
    folder = tmp_path_factory.mktemp("docs")
    for part in ("docs", "examples", "benchmarks", "src/mnistkit/errors.py", "src/mnistkit/training", "CHANGELOG.md"):
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_built)
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
    figures = Classifier.pretrained().card.figures
    validation, test = figures["mnist validation"], figures["mnist test"]
    assert f"{validation['correct']:,} of {validation['count']:,}" in models
    low, high = Proportion(test["correct"], test["count"]).interval
    # In the table of models and on the card.
    assert models.count(f"{test['accuracy']:.2%} [{low:.2%}, {high:.2%}]") == 2
    assert "CC BY-SA 4.0" in (site / "data.html").read_text()
    frames = (site / "frames.html").read_text()
    assert frames.count('class="picture only-dark') == frames.count('class="picture only-light') == 7
    assert len(list((site / "_images").glob("frames-*.png"))) == 14


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


def test_these_pages_have_a_catalogue():
    tutorials = {f"tutorials/{path.stem}" for path in (ROOT / "examples" / "tutorials").glob("*.py")}
    pages = {"index", "install", "quickstart", "tutorials/index", "drawing", "notebooks", "serving"}
    assert pages | tutorials | MEASURED == set(TRANSLATED)


@pytest.mark.parametrize("page", TRANSLATED)
def test_a_catalogue_has_no_fuzzy_or_empty_text(page):
    with (CATALOGUES / f"{page}.po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    assert messages
    assert [message.id for message in messages if message.fuzzy or not message.string] == []


@pytest.mark.parametrize("page", TRANSLATED)
def test_a_translation_keeps_code_numbers_and_links(page):
    """A role's title may be translated, its target may not; the order of a sentence may change."""
    kept = re.compile(r"`+[^`<]*<?[\w./-]*>?`+|\d[\d,.]*\d|\d")

    def kept_in(text):
        return sorted(kept.findall(re.sub(r"`[^`<]+ (<[\w./-]+>`)", r"`\1", text)))

    with (CATALOGUES / f"{page}.po").open("rb") as file:
        for message in read_po(file):
            if message.id and not message.id.startswith((":ref:", ":download:", "<")):
                assert kept_in(message.string) == kept_in(message.id)


@pytest.mark.processes
def test_the_chinese_pages_have_no_english_text_left(site):
    """Also none that was written after its translation."""

    def texts(path, tags="p|h[1-6]"):
        html = path.read_text(encoding="utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        found = re.findall(rf"<(?:{tags})\b[^>]*>(.*?)</(?:{tags})>", article, re.DOTALL)
        found += re.findall(r'\balt="([^"]+)"', article)
        # Code stays as it is.
        return {text for text in (re.sub(r"<code\b.*?</code>|<[^>]+>", "", text) for text in found) if " " in text}

    assert len(texts(site / "faq.html") & texts(site / "zh_CN" / "faq.html")) > 20  # which is in English only
    for page in TRANSLATED:
        assert 'lang="zh-CN"' in (site / "zh_CN" / f"{page}.html").read_text(encoding="utf-8").split(">")[1]
        tags = "h[1-6]" if page in MEASURED else "p|h[1-6]"
        chinese = texts(site / "zh_CN" / f"{page}.html", tags)
        assert chinese
        assert texts(site / f"{page}.html", tags) & chinese == set()


@pytest.mark.processes
@pytest.mark.parametrize("language", [".", "zh_CN"])
def test_the_search_has_the_stemmer_that_it_asks_for(site, language):
    script = (site / language / "_static" / "language_data.js").read_text(encoding="utf-8")
    (asked,) = re.findall(r"window\.Stemmer = (\w+);", script)
    assert re.search(rf"(var |class |function ){asked}\b", script)


def test_the_search_knows_chinese_words_and_the_gallery_chinese_titles(site):
    written = (site / "zh_CN" / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(written.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {"学习率", "断点续训", "全连接层"} <= {*index["terms"], *index["titleterms"]}
    titles = re.findall(r'thumbnail-title">([^<]+)<', (site / "zh_CN" / "tutorials" / "index.html").read_text())
    assert len(titles) == 5
    assert all(re.search(r"[\u4e00-\u9fff]", title) for title in titles)
