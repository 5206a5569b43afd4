"""Files of several pages: PDF and TIFF."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import PIL.Image

from mnistkit.errors import ImageError, MissingExtraError

if TYPE_CHECKING:
    import pypdfium2

__all__ = ["HEADS", "MAX_PAGES", "choose", "count", "open_page"]

#: The most pages of a document.
MAX_PAGES = 10_000

_PDF = b"%PDF-"
#: How files begin that may have several pages: a PDF, or a TIFF of either byte order, with offsets of 32 or 64 bits.
HEADS = (_PDF, b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Pages are drawn as a scanner would, in dots an inch; of a poster, no side gets longer than this, in pixels.
_DPI, _SIDE = 200, 4000
_POINTS = 72
# The tag NewSubfileType, with its bits for "the same once more, smaller" and for "which pixels of another are seen".
_SUBFILE, _NO_PAGE = 254, 0b101
# PDFium is not to be used by two threads at once.
_PDFIUM = threading.Lock()


def count(file: BinaryIO) -> int:
    """How many pages a file has: 1, unless it is a document.

    Raises:
        ImageError: if it is damaged or encrypted, or has more than ``MAX_PAGES``.
        MissingExtraError: for a PDF, if pypdfium2 is not installed.
    """
    head = file.read(12)
    file.seek(0)
    if head.startswith(_PDF):
        with _pdf(file) as pages:
            return len(pages)
    return len(_frames(PIL.Image.open(file))) if head.startswith(HEADS) else 1


def open_page(file: BinaryIO, page: int | None) -> PIL.Image.Image:
    """A page of a document, from 0; by default its only one.

    Raises:
        ImageError: as for :func:`count`, and for a page that there is not.
        MissingExtraError: for a PDF, if pypdfium2 is not installed.
    """
    is_pdf = file.read(len(_PDF)) == _PDF
    file.seek(0)
    if is_pdf:
        return _draw(file, page)
    picture = PIL.Image.open(file)
    frames = _frames(picture)
    picture.seek(frames[choose(len(frames), page)])
    return picture


def choose(pages: int, page: int | None) -> int:
    """The page to take of so many.

    Raises:
        ImageError: if there are several and none was chosen, or if there is no such page.
    """
    if page is None and pages > 1:
        raise ImageError(
            f"it has {pages:,} pages; give them one by one, as load_pages(file) of mnistkit.imaging does, or choose one with "
            "load_image(file, page=0)"
        )
    if page is not None and not 0 <= page < pages:
        raise ImageError(f"it has no page {page}: its pages are numbered from 0 to {pages - 1}")
    return page or 0


def _frames(picture: PIL.Image.Image) -> list[int]:
    """The frames of a TIFF that are pages; others are small copies and masks of them."""
    pages: list[int] = []
    for frame in range(MAX_PAGES + 1):
        try:
            picture.seek(frame)
        except EOFError:
            return pages or [0]
        if not getattr(picture, "tag_v2", {}).get(_SUBFILE, 0) & _NO_PAGE:
            pages.append(frame)
    raise ImageError(f"it has more than {MAX_PAGES:,} pages; cut it into several files")


@contextlib.contextmanager
def _pdf(file: BinaryIO) -> Iterator[pypdfium2.PdfDocument]:
    try:
        import pypdfium2
    except ImportError as error:
        raise MissingExtraError("pypdfium2", "pdf", "a PDF") from error
    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(file)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
                raise ImageError("it is encrypted; save it without a password") from error
            raise ImageError("the PDF is damaged, or none") from error
        try:
            if not 1 <= len(document) <= MAX_PAGES:
                raise ImageError(f"it has {len(document):,} pages, expected 1 to {MAX_PAGES:,}")
            yield document
        finally:
            document.close()


def _draw(file: BinaryIO, page: int | None) -> PIL.Image.Image:
    with _pdf(file) as document:
        number = choose(len(document), page)
        # What was filled into the fields of a form is drawn only with this.
        document.init_forms()
        try:
            leaf = document[number]
            width, height = leaf.get_size()
            if not min(width, height) > 0:
                raise ImageError(f"page {number} is empty: {width:g}x{height:g} points")
            bitmap = leaf.render(scale=min(_DPI / _POINTS, _SIDE / max(width, height)), rev_byteorder=True)
        except MemoryError as error:
            raise ImageError(f"page {number} takes too much memory") from error
        picture: PIL.Image.Image = bitmap.to_pil()
        # Another copy of the pixels: these go away with the document.
        return picture.convert("RGB").copy()
