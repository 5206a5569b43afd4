"""Export: a classifier as a file that works without this library."""

from mnistkit.export.c99 import c_header as c_header
from mnistkit.export.formats import ENDINGS as ENDINGS
from mnistkit.export.formats import write_export as write_export
from mnistkit.export.html import html_page as html_page
