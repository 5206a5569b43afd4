"""Results as HTML: what a notebook shows of an object, and pictures inside a page.

A notebook may be light or dark, and says so in another way in each program. So what is shown there takes the colour of the text
around it, and greys and one blue that can be seen on both.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Literal

import numpy as np
import PIL.Image

__all__ = ["facts", "image_source", "panel", "picture", "row", "shares", "table"]

_LINE, _BLUE = "rgba(128,128,128,.35)", "#3b8bc9"
# Names come from files of strangers: a long one is cut.
_LONGEST = 160
# A table with more rows shows the first and the last of them.
_FIRST, _LAST = 5, 10


def panel(title: str, *parts: str) -> str:
    """What a notebook shows of one object.

    Args:
        title: as plain text.
        parts: as HTML, one below the other.
    """
    head = f'<div style="font-weight:600;margin-bottom:.3em">{_text(title)}</div>'
    return f'<div style="font-size:14px;line-height:1.45;overflow-x:auto">{head}{"".join(parts)}</div>'


def facts(values: Mapping[str, object]) -> str:
    """Names and what is known under each, as plain text; what is ``None`` or empty is left out."""
    rows = [
        f'<div style="opacity:.7">{_text(name)}</div><div style="overflow-wrap:anywhere">{_text(value)}</div>'
        for name, value in values.items()
        if value is not None and value != ""
    ]
    return f'<div style="display:grid;grid-template-columns:max-content 1fr;gap:0 1em">{"".join(rows)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of plain texts; of a long one, its first and last rows."""
    cells = f"padding:.15em .6em;border-bottom:1px solid {_LINE};text-align:"

    def line(kind: str, values: Iterable[object]) -> str:
        texts = (
            f'<{kind} style="{cells}{"right" if at else "left"}">{_text(value)}</{kind}>'
            for at, value in enumerate(values)
        )
        return f"<tr>{''.join(texts)}</tr>"

    lines = [line("td", values) for values in rows]
    left_out = len(lines) - _FIRST - _LAST
    if left_out > 1:
        lines[_FIRST:-_LAST] = [line("td", [f"… {left_out:,} more", *[""] * (len(head) - 1)])]
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.4em 0"
    return f'<table style="{style}"><thead>{line("th", head)}</thead><tbody>{"".join(lines)}</tbody></table>'


def shares(values: Sequence[tuple[str, float]]) -> str:
    """Names with a share, 0 to 1, as bars."""
    rows = [
        f'<div>{_text(name)}</div><div style="border:1px solid {_LINE};height:.8em;align-self:center">'
        f'<div style="width:{share:.1%};height:100%;background:{_BLUE}"></div></div><div>{share:.1%}</div>'
        for name, share in values
    ]
    grid = "display:grid;grid-template-columns:max-content 8em max-content;gap:0 .6em;font-variant-numeric:tabular-nums"
    return f'<div style="{grid}">{"".join(rows)}</div>'


def row(*parts: str) -> str:
    """Parts, as HTML, side by side, or below each other where there is no room."""
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div style="display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:flex-end;margin:.4em 0">{cells}</div>'


def picture(pixels: np.ndarray, says: str, *, side: int = 112, caption: str = "") -> str:
    """A picture with what it shows for those who cannot see it.

    Args:
        pixels: uint8 ``(H, W)`` or ``(H, W, C)``, of which 3 are colours, and of any other number the first is shown; a
            picture larger than it is shown is made smaller.
        says: as plain text.
        side: of the longer side, in pixels of the screen.
        caption: as plain text.
    """
    image = PIL.Image.fromarray(pixels if pixels.ndim == 2 or pixels.shape[2] == 3 else pixels[..., 0])
    factor = side / max(image.size)
    width, height = (max(1, round(factor * length)) for length in image.size)
    if factor < 1:
        image.thumbnail((2 * side, 2 * side))  # two for one, for screens with small pixels
    file, small = io.BytesIO(), max(image.size) <= 64
    image.save(file, "PNG" if small else "JPEG", optimize=True)
    style = f"display:block;margin:0;max-width:none;border:1px solid {_LINE}"
    shown = (
        f'<img src="{image_source(file.getvalue(), "png" if small else "jpeg")}" width="{width}" height="{height}" '
        f'alt="{_text(says)}" style="{style};image-rendering:{"pixelated" if small else "auto"}">'
    )
    return f'<div style="font-size:12px;opacity:.8">{_text(caption)}</div>{shown}' if caption else shown


def image_source(file: bytes, kind: Literal["png", "jpeg"]) -> str:
    """The content of a picture's file as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def _text(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
