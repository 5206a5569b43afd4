"""Takes a figure, or a picture file, that is the last expression of a tutorial's block, for sphinx-gallery.

Its own scraper sees pyplot's figures only; those of ``mnistkit.plots`` do without pyplot. A block that ends in a call of
``plots`` is drawn once more with ``theme="dark"``, and the page shows the one that goes with its own theme.
"""

import ast
import shutil
from pathlib import Path

from matplotlib.figure import Figure

from mnistkit import plots

IMAGE = """
.. image:: /{path}
   :alt: {alt}
   :class: {classes}

"""


def scrape(block, block_vars, gallery_conf):
    """The pictures of a block as reStructuredText."""
    statements = ast.parse(block.content).body
    if not statements or not isinstance(statements[-1], ast.Expr):
        return ""
    call, names = statements[-1].value, block_vars["example_globals"]
    shown = names["___"]
    if not isinstance(shown, Figure | Path):
        return ""
    path = Path(next(block_vars["image_path_iterator"]))
    pages, alt = Path(gallery_conf["src_dir"]), _description(call, shown)

    def image(file, classes):
        return IMAGE.format(path=file.relative_to(pages).as_posix(), alt=alt, classes=f"picture {classes}")

    if isinstance(shown, Path):
        path = path.with_suffix(shown.suffix)
        shutil.copyfile(shown, path)
        return image(path, "")
    shown.savefig(path)
    if _function(call) is None:
        return image(path, "")
    call.keywords.append(ast.keyword("theme", ast.Constant("dark")))
    dark = path.with_name(f"{path.stem}_dark.png")
    expression = ast.fix_missing_locations(ast.Expression(call))
    eval(compile(expression, block_vars["src_file"], "eval"), names).savefig(dark)
    return image(path, "only-light") + image(dark, "only-dark")


def _function(call):
    """Which function of ``mnistkit.plots`` is called."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="plots"), attr=name)):
            return getattr(plots, name)
    return None


def _description(call, shown):
    """What a picture shows, for those who cannot see it: the first line of its function's documentation, and its titles."""
    if isinstance(shown, Path):
        return shown.stem
    function = _function(call)
    first = function.__doc__.splitlines()[0] if function else "The stages of a picture on its way to the network"
    parts = [first, *dict.fromkeys(ax.get_title() for ax in shown.axes)]
    return "; ".join(part.rstrip(".").replace("\n", " ") for part in parts if part)
