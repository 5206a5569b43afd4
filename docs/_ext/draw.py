"""The directive ``draw``: the page to draw on, live, with the weights that ship; made when the pages are built."""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from mnistkit import Classifier

TITLES = {"en": "Draw a digit", "zh_CN": "写一个数字"}


class Draw(SphinxDirective):
    def run(self):
        language = self.config.language or "en"
        address = f"_static/draw.html?lang={language[:2]}"
        # For the browser: what is in it is none of this page's text.
        frame = nodes.raw(
            "", f'<iframe class="draw" src="{address}" title="{TITLES[language]}"></iframe>', format="html"
        )
        frame["translatable"] = False
        return [frame]


def write(app, error):
    """After Sphinx has copied its own static files."""
    if error is None and app.builder.format == "html":
        Classifier.pretrained(device="cpu").export(Path(app.outdir, "_static", "draw.html"))


def setup(app):
    app.add_directive("draw", Draw)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
