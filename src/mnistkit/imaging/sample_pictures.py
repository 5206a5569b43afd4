"""Pictures to begin with: digits on paper that come with the package."""

from __future__ import annotations

import PIL.Image

from mnistkit._core.files import package_data
from mnistkit.errors import ConfigError, unknown_name

__all__ = ["list_sample_pictures", "sample_picture"]


def sample_picture(name: str) -> PIL.Image.Image:
    """A picture from the package, in colour: dark ink on paper, the digit anywhere, none of it from a data set.

    Args:
        name: ``"two"``, ``"four"``, ``"seven"``: one digit; ``"numbers"``: a sheet with a number in each of two lines.

    Raises:
        ConfigError: for another name.

    >>> sample_picture("seven").size
    (320, 240)
    """
    if name not in list_sample_pictures():
        raise ConfigError(unknown_name("sample picture", name, list_sample_pictures()))
    with PIL.Image.open(package_data("imaging", "samples", f"{name}.png")) as picture:
        picture.load()
        return picture


def list_sample_pictures() -> list[str]:
    """The names that :func:`sample_picture` knows.

    >>> list_sample_pictures()
    ['four', 'numbers', 'seven', 'two']
    """
    return sorted(file.stem for file in package_data("imaging", "samples").glob("*.png"))
