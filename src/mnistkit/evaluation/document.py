"""What every report's HTML page has: one file without scripts or other files, light and dark, for a desk and for a phone."""

from __future__ import annotations

from html import escape

from mnistkit._core.files import package_data

__all__ = ["cards", "document"]


def document(title: str, body: str) -> str:
    """The page.

    Args:
        title: as plain text.
        body: as HTML.
    """
    style = package_data("evaluation", "page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def cards(*figures: tuple[str, str, str]) -> str:
    """The most important figures: value, name and note of each."""
    parts = [
        f'<div class="card"><span>{name}</span><b>{value}</b><span>{note}</span></div>' for value, name, note in figures
    ]
    return f'<div class="cards">{"".join(parts)}</div>'
