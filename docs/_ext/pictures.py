"""The directive ``picture``: runs its lines when the page is built, and shows the figure that the last one gives.

The lines run once with ``theme = "light"`` and once with ``theme = "dark"``, and the page shows the one that goes with it.
With ``strip`` a wide picture can be moved across on a phone, where it would be too small to read. All pictures of a page share
their names, and run in the folder of the documentation. With the setting ``keep_pictures`` those that are there already are
shown, and their lines do not run.
"""

import ast
import contextlib
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from sphinx.util.docutils import SphinxDirective

FOLDER = "_build/pictures"


class Picture(SphinxDirective):
    has_content = True
    option_spec: ClassVar = {
        "alt": directives.unchanged_required,
        "width": directives.unchanged,
        "strip": directives.flag,
    }

    def run(self):
        if "alt" not in self.options:
            raise self.error("a picture needs :alt:, what it shows for those who cannot see it")
        names = self.env.temp_data.setdefault("picture_names", {})
        found = []
        for theme in ("light", "dark"):
            path = Path(FOLDER, f"{self.env.docname.replace('/', '-')}-{self.lineno}-{theme}.png")
            if not (self.config.keep_pictures and (self.env.srcdir / path).exists()):
                names["theme"] = theme
                figure = self._run_lines(names)
                (self.env.srcdir / FOLDER).mkdir(parents=True, exist_ok=True)
                figure.savefig(self.env.srcdir / path)
            image = nodes.image(uri=f"/{path.as_posix()}", alt=self.options["alt"])
            image["classes"] += ["picture", f"only-{theme}"]
            if "width" in self.options:
                image["width"] = self.options["width"]
            self.set_source_info(image)
            found.append(image)
        return [nodes.container("", *found, classes=["strip"])] if "strip" in self.options else found

    def _run_lines(self, names):
        tree = ast.parse("\n".join(self.content))
        if not tree.body or not isinstance(tree.body[-1], ast.Expr):
            raise self.error("the last line of a picture must be an expression that gives a figure")
        last = ast.Expression(tree.body.pop().value)
        with contextlib.chdir(self.env.srcdir):
            exec(compile(tree, self.env.docname, "exec"), names)
            figure = eval(compile(last, self.env.docname, "eval"), names)
        if not isinstance(figure, Figure):
            raise self.error(f"the last line of a picture gave {type(figure).__name__}, expected a figure")
        return figure


def setup(app):
    app.add_directive("picture", Picture)
    app.add_config_value("keep_pictures", False, "", bool)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
