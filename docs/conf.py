"""Sphinx configuration."""

import mnistkit

project = "mnistkit"
author = "The mnistkit developers"
copyright = "2026, The mnistkit developers"
version = release = mnistkit.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
exclude_patterns = ["_build"]
nitpicky = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
myst_heading_anchors = 3
# Names of other libraries, without their inventories: the docs build without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|torchvision|numpy|PIL|collections)\..*"),
    (r"py:class", r"(Tensor|JsonValue|np\.ndarray)"),
]
