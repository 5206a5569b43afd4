"""The data sets that are known by name: what each is, whose it is, and which files it consists of."""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass, field
from typing import Literal

from mnistkit._core.json import plain
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.imaging import Framing
from mnistkit.types import JsonValue

__all__ = ["DatasetInfo", "dataset_info", "list_datasets"]

_DIGITS = tuple(string.digits)
_STANDARD_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_EMNIST_CITATION = (
    "G. Cohen, S. Afshar, J. Tapson, A. van Schaik: EMNIST: an extension of MNIST to handwritten letters. 2017"
)


@dataclass(frozen=True)
class DatasetInfo:
    """What a data set is.

    Attributes:
        name: what ``load_dataset`` calls it.
        title: what it shows.
        classes: a name for each label.
        licence: under which it may be used.
        citation: whom to cite.
        torchvision: the class in ``torchvision.datasets`` that downloads it; ``None`` for the one in this package.
        split_argument: the argument that this class needs besides ``train``.
        files: for train and test, the names of the image and the label file, without ``.gz``.
        format: the files' format.
        transposed: whether the files hold the images lying on their side.
        first_label: the smallest label in the files.
        framing: how the makers brought a picture to a frame.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    licence: str
    citation: str
    torchvision: str | None
    split_argument: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(_STANDARD_FILES))
    format: Literal["idx", "libsvm"] = "idx"
    transposed: bool = False
    first_label: int = 0
    framing: Framing = "mnist"

    @property
    def folder(self) -> str:
        """The folder in which torchvision keeps the files."""
        return self.torchvision or "MNIST"

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {name: plain(value) for name, value in asdict(self).items()}


def _emnist(part: str, title: str, classes: tuple[str, ...], first_label: int = 0) -> DatasetInfo:
    files: dict[str, tuple[str, ...]] = {
        split: (f"emnist-{part}-{split}-images-idx3-ubyte", f"emnist-{part}-{split}-labels-idx1-ubyte")
        for split in ("train", "test")
    }
    return DatasetInfo(
        f"emnist-{part}",
        title,
        classes,
        "public domain (NIST Special Database 19)",
        _EMNIST_CITATION,
        "EMNIST",
        {"split": part},
        files,
        transposed=True,
        first_label=first_label,
    )


_CATALOGUE = {
    info.name: info
    for info in (
        DatasetInfo(
            "mnist",
            "handwritten digits",
            _DIGITS,
            "CC BY-SA 3.0",
            "Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits. 1998",
            None,
        ),
        DatasetInfo(
            "fashion-mnist",
            "articles of clothing",
            ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            "MIT",
            "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking. 2017",
            "FashionMNIST",
            framing="resize",
        ),
        DatasetInfo(
            "kmnist",
            "cursive Japanese characters",
            ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            "CC BY-SA 4.0",
            "T. Clanuwat et al.: Deep learning for classical Japanese literature. 2018",
            "KMNIST",
            framing="resize",
        ),
        _emnist("digits", "handwritten digits, four times as many", _DIGITS),
        _emnist("letters", "handwritten letters, upper and lower case as one", tuple(string.ascii_uppercase), 1),
        _emnist(
            "balanced",
            "handwritten digits and letters, all classes equally often",
            (*_DIGITS, *string.ascii_uppercase, *"abdefghnqrt"),
        ),
        DatasetInfo(
            "qmnist",
            "handwritten digits: MNIST made again, with all 60,000 test images",
            _DIGITS,
            "BSD 3-Clause",
            "C. Yadav, L. Bottou: Cold case: the lost MNIST digits. 2019",
            "QMNIST",
            files={
                split: (f"qmnist-{split}-images-idx3-ubyte", f"qmnist-{split}-labels-idx2-int")
                for split in ("train", "test")
            },
        ),
        DatasetInfo(
            "usps",
            "handwritten digits from envelopes, 16x16",
            _DIGITS,
            "not stated by its makers; for research",
            "J. J. Hull: A database for handwritten text recognition research. 1994",
            "USPS",
            files={"train": ("usps.bz2",), "test": ("usps.t.bz2",)},
            format="libsvm",
            framing="resize",
        ),
    )
}


def list_datasets() -> list[str]:
    """The names that :func:`mnistkit.load_dataset` knows.

    >>> list_datasets()[:3]
    ['emnist-balanced', 'emnist-digits', 'emnist-letters']
    """
    return sorted(_CATALOGUE)


def dataset_info(name: str) -> DatasetInfo:
    """What a data set is; capitals, hyphens and underscores in its name do not matter.

    Raises:
        ConfigError: for an unknown name, with the likeliest meant one.
    """
    plain = _plain(str(name))
    for known, info in _CATALOGUE.items():
        if _plain(known) == plain:
            return info
    raise ConfigError(unknown_name("data set", str(name).lower(), _CATALOGUE))


def _plain(name: str) -> str:
    """Without what people write in different ways: capitals, hyphens, underscores, spaces."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
