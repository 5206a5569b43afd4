"""Takes a figure, or a picture file, that is the last expression of a tutorial's block, for sphinx-gallery.

Its own scraper sees pyplot's figures only; those of ``mnistkit.plots`` do without pyplot.
"""

import ast
import shutil
from pathlib import Path

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from mnistkit import plots


def scrape(block, block_vars, gallery_conf):
    """The pictures of a block as reStructuredText."""
    statements = ast.parse(block.content).body
    if not statements or not isinstance(statements[-1], ast.Expr):
        return ""
    shown = block_vars["example_globals"]["___"]
    if isinstance(shown, Figure):
        path = Path(next(block_vars["image_path_iterator"]))
        shown.savefig(path)
    elif isinstance(shown, Path):
        path = Path(next(block_vars["image_path_iterator"])).with_suffix(shown.suffix)
        shutil.copyfile(shown, path)
    else:
        return ""
    return figure_rst([path], gallery_conf["src_dir"], _description(statements[-1].value, shown))


def _description(expression, shown):
    """What a picture shows, for those who cannot see it: the first line of its function's documentation, and its titles."""
    function = (
        expression.func.attr if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute) else ""
    )
    documented = (getattr(plots, function, None) or type(shown)).__doc__ if function != "absolute" else shown.stem
    if function == "figure":
        documented = "The stages of a picture on its way to the network, and the probabilities"
    titles = [ax.get_title() for ax in shown.axes] if isinstance(shown, Figure) else []
    parts = [documented.splitlines()[0].rstrip("."), *dict.fromkeys(filter(None, titles))]
    return "; ".join(part.replace("\n", " ") for part in parts)
