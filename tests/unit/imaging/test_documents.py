import io
import sys
import threading
import zlib

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistkit import Predictor
from mnistkit.errors import ImageError
from mnistkit.imaging import MAX_PAGES, image_files, load_image, load_pages
from mnistkit.imaging import documents as documents_module

CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def pdf(*objects, trailer=b""):
    """A PDF of objects as they are, numbered from 1, the first the catalogue."""
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, len(content))
    return content + head + table + tail


def stream(fields, content):
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (fields, len(content), content)


def page(width, height, more=b""):
    return b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]%b>>" % (width, height, more)


def saved(format, pictures, **options):
    file = io.BytesIO()
    # Copies: saving leaves the settings of a format on a picture.
    first, *others = (picture.copy() for picture in pictures)
    first.save(file, format, save_all=True, append_images=others, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def digits(mnist):
    """A picture for each of three pages, of three sizes."""
    images = mnist.validation.images[:3, 0].numpy()
    return [PIL.Image.fromarray(255 - np.pad(image, 6 + 2 * place)) for place, image in enumerate(images)]


def test_the_pages_of_a_tiff_are_its_pictures(digits, tmp_path):
    (tmp_path / "scan.tif").write_bytes(saved("TIFF", digits))
    pages = load_pages(tmp_path / "scan.tif")
    assert len(pages) == 3
    for found, picture in zip(pages, digits, strict=True):
        assert np.array_equal(found[..., 0], np.asarray(picture))
    assert np.array_equal(pages[-1], pages[2])
    assert [found.shape for found in pages[1:]] == [pages[1].shape, pages[2].shape]
    with pytest.raises(IndexError):
        pages[3]


def test_the_pages_of_a_pdf_are_drawn_as_a_scanner_would(digits):
    pages = load_pages(saved("PDF", digits, resolution=50))
    assert len(pages) == 3
    for found, picture in zip(pages, digits, strict=True):
        width, height = picture.size
        assert found.shape == pytest.approx((4 * height, 4 * width, 3), abs=1)
        small = PIL.Image.fromarray(found).resize(picture.size, PIL.Image.Resampling.BOX).convert("L")
        assert np.abs(np.asarray(small).astype(int) - np.asarray(picture)).mean() < 12


@pytest.mark.parametrize("format", ["TIFF", "PDF"])
def test_one_page_is_a_picture_and_several_are_none(format, digits):
    assert load_image(saved(format, digits[:1])).ndim == 2
    several = saved(format, digits)
    with pytest.raises(ImageError, match=r"it has 3 pages; give them one by one, as load_pages\(file\)"):
        load_image(several)
    with pytest.raises(ImageError, match="it has 3 pages"):
        Predictor(device="cpu").predict(several)
    assert np.array_equal(load_image(several, channels=3, page=1), load_pages(several)[1])
    with pytest.raises(ImageError, match=r"it has no page 3: its pages are numbered from 0 to 2$"):
        load_image(several, page=3)


def test_the_pages_can_be_predicted_together(digits, mnist):
    predictions = Predictor(device="cpu").predict(load_pages(saved("TIFF", digits)))
    assert [prediction.label for prediction in predictions] == mnist.validation.labels[:3].tolist()


def test_any_other_picture_is_a_page(digits, tmp_path):
    digits[0].save(tmp_path / "digit.png")
    (only,) = load_pages(tmp_path / "digit.png")
    assert np.array_equal(only[..., 0], np.asarray(digits[0]))
    assert len(load_pages(np.asarray(digits[0]))) == len(load_pages({"image": digits[0]})) == 1
    with pytest.raises(ImageError, match="it has no page 1: its pages are numbered from 0 to 0"):
        load_image(tmp_path / "digit.png", page=1)
    with pytest.raises(ImageError, match="there is no image file"):
        load_pages(tmp_path / "none.pdf")


def test_small_copies_in_a_tiff_are_no_pages(digits):
    file = io.BytesIO()
    with PIL.TiffImagePlugin.AppendingTiffWriter(file, new=True) as writer:
        for picture, kind in zip(digits, (1, 0, 4), strict=True):
            picture.encoderinfo = {}
            picture.save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    (only,) = load_pages(file.getvalue())
    assert np.array_equal(only[..., 0], np.asarray(digits[1]))
    assert np.array_equal(load_image(file.getvalue()), np.asarray(digits[1]))


def test_a_form_is_drawn_with_what_was_filled_in():
    field = (
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(n)/V(7)/Rect[0 0 100 100]/F 4/P 3 0 R/AP<</N 5 0 R>>>>",
        stream(b"/Type/XObject/Subtype/Form/BBox[0 0 100 100]", b"0 0 50 100 re f"),
    )
    form = pdf(
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>", ONE_PAGE, page(100, 100, b"/Annots[4 0 R]"), *field
    )
    picture = load_image(form)
    assert picture[:, :100].mean() < 30
    assert picture[:, -100:].mean() == 255


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            pdf(
                CATALOGUE,
                ONE_PAGE,
                page(99, 99),
                b"<</Filter/Standard/V 1/R 2/Length 40/P -4/O<%b>/U<%b>>>" % (b"00" * 32, b"11" * 32),
                trailer=b"/Encrypt 4 0 R/ID[<00><00>]",
            ),
            "it is encrypted; save it without a password",
        ),
        (b"%PDF-1.7\nDear Sir", "the PDF is damaged, or none"),
        (pdf(CATALOGUE, b"<</Type/Pages/Kids[]/Count 0>>"), "the PDF is damaged, or none"),
        (
            pdf(CATALOGUE, b"<</Type/Pages/Kids[%b]/Count %d>>" % (b"3 0 R " * 10_001, 10_001), page(9, 9)),
            "it has 10,001 pages, expected 1 to 10,000",
        ),
    ],
    ids=["encrypted", "damaged", "empty", "many"],
)
def test_what_is_wrong_with_a_pdf_is_said(content, reason):
    assert MAX_PAGES == 10_000
    with pytest.raises(ImageError, match=f"cannot be read as an image: {reason}$"):
        load_image(content)
    with pytest.raises(ImageError, match=f"cannot be read as an image: {reason}$"):
        load_pages(content)


def test_a_poster_is_drawn_small_and_a_huge_picture_in_it_takes_no_memory():
    assert max(load_image(pdf(CATALOGUE, ONE_PAGE, page(9000, 14000))).shape) == 4000
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(100_000)) for _ in range(2000)) + packer.flush()
    image = b"/Type/XObject/Subtype/Image/Width 100000/Height 2000/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode"
    bomb = pdf(
        CATALOGUE,
        ONE_PAGE,
        page(50, 50, b"/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>"),
        stream(b"", b"50 0 0 50 0 0 cm /I Do"),
        stream(image, pixels),
    )
    assert load_image(bomb).shape == (139, 139)


def test_a_tiff_of_too_many_pages_is_refused(monkeypatch, digits):
    monkeypatch.setattr(documents_module, "MAX_PAGES", 2)
    with pytest.raises(ImageError, match="it has more than 2 pages; cut it into several files"):
        load_pages(saved("TIFF", digits))


def test_a_tiff_whose_pages_go_round_in_a_circle_ends(digits):
    content = bytearray(saved("TIFF", digits[:2]))
    first = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[first : first + 2], "little")
    place = first + 2 + 12 * entries
    content[place : place + 4] = first.to_bytes(4, "little")
    assert len(load_pages(bytes(content))) == 1


@pytest.mark.parametrize("format", ["TIFF", "PDF"])
@given(data=st.data())
@settings(max_examples=25)
def test_a_damaged_document_has_pages_or_an_error(format, digits, data):
    content = bytearray(saved(format, digits))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(5, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(5, len(content)))])
    try:
        pages = load_pages(cut)
        assert all(found.ndim == 3 for found in pages)
    except ImageError:
        pass


def test_without_pypdfium2_the_pip_line_is_said(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(ImageError, match=r"a PDF needs pypdfium2, .*: pip install 'mnistkit\[pdf\]'"):
        load_pages(saved("PDF", digits))


def test_threads_draw_the_pages_of_one_file(digits):
    pages, drawn = load_pages(saved("PDF", digits)), {}

    def draw(number):
        drawn[number] = pages[number % 3]

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(drawn[number], pages[number % 3]) for number in range(9))


def test_a_folder_has_its_documents_where_they_are_wanted(digits, tmp_path):
    for name, format in (("b.pdf", "PDF"), ("a.tif", "TIFF")):
        (tmp_path / name).write_bytes(saved(format, digits))
    assert [path.name for path in image_files(tmp_path)] == ["a.tif"]
    assert [path.name for path in image_files(tmp_path, documents=True)] == ["a.tif", "b.pdf"]


@pytest.mark.parametrize(
    ("name", "options"),
    [("d.jfif", {"format": "JPEG"}), ("d.jp2", {"format": "JPEG2000"}), ("d.avif", {"format": "AVIF"})],
)
def test_the_newer_formats_are_read_and_found_in_folders(name, options, digits, tmp_path):
    try:
        digits[0].convert("RGB").save(tmp_path / name, **options)
    except (OSError, KeyError) as error:
        pytest.skip(f"this Pillow does not write it: {error}")
    assert image_files(tmp_path) == [tmp_path / name]
    assert np.abs(load_image(tmp_path / name).astype(int) - np.asarray(digits[0])).mean() < 12
