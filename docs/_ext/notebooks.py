"""The tutorials' notebooks, for download, in the language of the pages and without roles and directives of Sphinx's.

sphinx-gallery makes them of the English text. Here they are made again, of what the language's catalogue has for each paragraph.
"""

import re
import zipfile
from pathlib import Path

import measured
from babel.messages.pofile import read_po
from sphinx_gallery.notebook import jupyter_notebook, save_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

# A paragraph, or an item of a list, with what stands before its text; an underlined title.
START = re.compile(r"^(?P<before>\s*(?:(?:\d+|#)\.\s+|[-*]\s+)?)(?P<text>\S.*)$")
ADMONITION = re.compile(r"^\.\. admonition:: (?P<title>.+)\n(?: +:.*\n)*\n(?P<body>(?:(?: +.*)?\n)+)", re.MULTILINE)
DIRECTIVE = re.compile(r"(\.\. \w+:: )(.*)")


def catalogue(folder, docname, language):
    """What a page's texts are in the language, by the English, all on one line."""
    path = Path(folder, "locale", language, "LC_MESSAGES", f"{docname}.po")
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.string and not message.fuzzy}


def translate(text, texts):
    """The paragraphs, list items and titles of reStructuredText, each that the catalogue has."""
    result, lines = [], text.split("\n")
    while lines:
        line = lines.pop(0)
        if directive := DIRECTIVE.match(line):
            result.append(directive[1] + texts.get(directive[2], directive[2]))
            while lines and lines[0].strip():
                result.append(lines.pop(0))
            continue
        match = START.match(line)
        if match is None:
            result.append(line)
            continue
        if lines and re.fullmatch(r"(=+|-+)", lines[0]) and not match["before"]:
            underline = lines.pop(0)
            title = texts.get(line, line)
            result += [title, underline[0] * max(len(underline), 2 * len(title))]
            continue
        parts = [match["text"]]
        while lines and lines[0].strip() and re.match(r"\s*((\d+|#)\.|[-*])\s", lines[0]) is None:
            parts.append(lines.pop(0).strip())
        whole = " ".join(parts)
        numbered = f"{match['before']}{whole}"  # a paragraph of several lines may begin like a list
        if whole in texts:
            result.append(match["before"] + texts[whole])
        elif numbered in texts:
            result.append(texts[numbered])
        else:
            result += [match["before"] + parts[0], *(" " * len(match["before"]) + part for part in parts[1:])]
    return "\n".join(result)


def plain(text, folder, language):
    """Roles and directives in a notebook's own means: figures, titles of pages, a quotation."""

    def title(match):
        page = Path(folder, f"{match[1].lstrip('/')}.md").read_text(encoding="utf-8")
        english = re.search(r"^# (.+)$", page, re.MULTILINE)[1]
        return f"*{catalogue(folder, match[1].lstrip('/'), language).get(english, english)}*"

    text = re.sub(r":measured:`(.+?)`", lambda match: f"**{measured.shown(match[1])}**", text)
    text = re.sub(r":doc:`(/\w+)`", title, text)
    return ADMONITION.sub(lambda match: _quotation(match["title"], match["body"]), text + "\n")


def _quotation(title, body):
    indent = min(len(line) - len(line.lstrip()) for line in body.splitlines() if line.strip())
    lines = (f"> {line[indent:]}".rstrip() for line in body.rstrip().splitlines())
    return "\n".join([f"**{title}**", "", *lines]) + "\n\n"


def notebook(path, folder, language, gallery_conf):
    """A tutorial as a notebook.

    Args:
        path: the tutorial's file.
        folder: of the documentation.
        language: of the texts.
        gallery_conf: sphinx-gallery's settings.
    """
    texts = catalogue(folder, f"tutorials/{path.stem}", language)
    blocks = [
        block
        if block[0] == "code"
        else type(block)(block[0], plain(translate(block[1], texts), folder, language), *block[2:])
        for block in split_code_and_text_blocks(path)[1]
    ]
    return jupyter_notebook(blocks, gallery_conf, path.parent)


def write(app):
    """In place of what the gallery has written."""
    for path in sorted(Path(app.srcdir, "tutorials").glob("tutorial_*.py")):
        file = path.with_suffix(".ipynb")
        made = notebook(path, app.srcdir, app.config.language or "en", app.config.sphinx_gallery_conf)
        save_notebook(made, file)
        with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for member in (path, file):
                archive.write(member, member.name)


def setup(app):
    app.connect("builder-inited", write, priority=900)  # after the gallery
    return {"parallel_read_safe": True, "parallel_write_safe": True}
