"""Sphinx configuration; ``python docs/build.py`` builds everything."""

import re
import sys
import warnings
from pathlib import Path

import sphinx.search.zh

import mnistkit
from mnistkit.errors import DownloadError

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "benchmarks")]

project = "mnistkit"
author = "The mnistkit developers"
copyright = "2026, The mnistkit developers"
version = release = mnistkit.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "draw",
    "measured",
    "notebooks",
    "pictures",
    "tables",
]
exclude_patterns = [
    "_build",
    "locale",
    "**/GALLERY_HEADER.rst",
    "sg_execution_times.rst",
    "tutorials/sg_execution_times.rst",
]
nitpicky = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
# Names of other libraries, without their inventories: the docs build without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|torchvision|numpy|PIL|collections|pathlib)\..*"),
    (r"py:class", r"(Tensor|JsonValue|np\.ndarray)"),
]

# Translations: one catalogue for each page, in locale/zh_CN/LC_MESSAGES.
locale_dirs = ["locale/"]
gettext_compact = False
gettext_uuid = False
gettext_additional_targets = ["raw"]  # the gallery writes its titles as HTML
# Chinese has no spaces: words of the field that the search would otherwise cut in pieces.
html_search_options = {"dict": str(HERE / "locale" / "zh_CN" / "terms.txt")}
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}

html_theme = "furo"
html_title = "mnistkit"
html_context = {}
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["extra.css"]
templates_path = ["_templates"]
html_show_sphinx = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/language.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_copy_source = False
# Quotes and dots only: two dashes are an option of the command line.
smartquotes_action = "qe"
# Prompts and output are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"


def tutorials_that_can_run():
    """All but those whose data is neither on this machine nor to be had; which these are is said."""
    names = {path.name for path in (HERE.parent / "examples" / "tutorials").glob("*.py")}
    try:
        mnistkit.load_dataset("fashion-mnist")
    except DownloadError as error:
        print(f"tutorial_1_fashion.py is shown, but not run: {error}", file=sys.stderr)
        names.discard("tutorial_1_fashion.py")
    return "|".join(re.escape(name) for name in sorted(names))


sphinx_gallery_conf = {
    "examples_dirs": "../examples/tutorials",
    "gallery_dirs": "tutorials",
    "filename_pattern": "tutorial_",
    "image_scrapers": ("gallery_figures.scrape",),
    "reset_modules": (),
    "ignore_repr_types": r"matplotlib|NotebookFigure|pathlib",
    "capture_repr": ("_repr_html_",),
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 10_000,
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", message="Matplotlib is currently using agg")


class SearchChinese(sphinx.search.zh.SearchChinese):
    """Latin words in Chinese pages are stemmed as English; Sphinx 9.0 asks for a stemmer of this language's own name."""

    language_name = "English"


def setup(app):
    """What depends on the language that is built, and on whether the tutorials are run."""
    app.add_search_language(SearchChinese)

    def configure(_, config):
        if str(config.overrides.get("plot_gallery", "1")) not in ("0", "False"):
            config.sphinx_gallery_conf["filename_pattern"] = tutorials_that_can_run()
        language = config.language or "en"
        there = [code for code in LANGUAGES if code == "en" or (HERE / "locale" / code).is_dir()]
        config.html_context |= {
            "languages": [(code, LANGUAGES[code]) for code in there],
            "to_english": "" if language == "en" else "../",
        }

    app.connect("config-inited", configure, priority=1)
