"""Where data sets come from: this package, files on disk, a download."""

from __future__ import annotations

import dataclasses
import http.client
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnistkit._core.files import package_data, user_path
from mnistkit.data.catalogue import DatasetInfo, dataset_info
from mnistkit.data.datasets import DigitDataset
from mnistkit.data.idx import read_idx
from mnistkit.data.split_guard import remember_test_images
from mnistkit.errors import DataError, DownloadError
from mnistkit.types import PathLike

__all__ = ["MNIST_MEAN_STD", "Splits", "cache_dir", "load_dataset", "load_mnist"]

# Of all 60,000 training images; a test measures them.
MNIST_MEAN_STD = ((0.13066047627384286,), (0.3081078038564627,))
_MOST_LISTED = 20


class Splits(NamedTuple):
    """The three parts of a data set; unpack them, or use their names."""

    train: DigitDataset
    validation: DigitDataset
    test: DigitDataset


def load_mnist(validation: int = 5000, seed: int = 0) -> Splits:
    """MNIST, from inside this package: no network, ever.

    Args:
        validation: how many of the 60,000 training images to set aside for choosing between models, each digit in its
            share; 0 for none.
        seed: decides which ones.

    Returns:
        ``train`` (60,000 less ``validation``), ``validation`` and ``test`` (10,000).

    Raises:
        DataError: unless ``0 <= validation < 60000``.

    >>> data = load_mnist(validation=10_000)
    >>> len(data.train), len(data.validation), len(data.test)
    (50000, 10000, 10000)
    """
    return load_dataset("mnist", validation=validation, seed=seed)


def load_dataset(
    name: str,
    *,
    root: PathLike | None = None,
    validation: int = 5000,
    seed: int = 0,
    download: bool = True,
) -> Splits:
    """A data set by name: from disk if its files are there, else downloaded once by torchvision.

    Args:
        name: one of :func:`mnistkit.data.list_datasets`; capitals, hyphens and underscores do not matter.
        root: the folder with the files (gzipped or not, also named as in ``train-images.idx3-ubyte``; torchvision's own layout
            is found too), or where to put them; by default ``$MNISTKIT_HOME``, else this platform's cache folder. MNIST
            comes from this package if there is no ``root``.
        validation: how many training images to set aside; see :func:`load_mnist`.
        seed: decides which ones.
        download: whether files that are not there may be downloaded.

    Raises:
        ConfigError: for an unknown name.
        DownloadError: if files are missing and cannot be downloaded; it says which to put where.
        IdxFormatError: if a file is damaged.
        DataError: if there are fewer images than ``validation``.
    """
    info = dataset_info(name)
    bundled = info.torchvision is None and root is None
    if bundled:
        folder, source = package_data("data", "_mnist"), "bundled with mnistkit"
    else:
        folder = cache_dir() if root is None else user_path(root)
        source = str(folder)
        if missing := _missing(info, folder):
            _download(info, folder, missing, allowed=download)
    images, labels = _read(info, folder, "train")
    train = DigitDataset.from_arrays(
        images,
        labels,
        classes=info.classes,
        name=info.name,
        source=source,
        framing=info.framing,
        mean_std=MNIST_MEAN_STD if bundled else None,
    )
    images, labels = _read(info, folder, "test")
    test = DigitDataset.from_arrays(
        images,
        labels,
        classes=info.classes,
        split="test",
        name=info.name,
        source=source,
        framing=info.framing,
        mean_std=(train.mean, train.std),
    )
    if not bundled:
        remember_test_images(test)
    rest, part = train.stratified_split(validation, seed)
    return Splits(rest, dataclasses.replace(part, split="validation"), test)


def cache_dir() -> Path:
    """Where downloaded files are kept: ``$MNISTKIT_HOME``, or the platform's cache folder."""
    if home := os.environ.get("MNISTKIT_HOME"):
        return user_path(home)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mnistkit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mnistkit" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnistkit"


def _find(info: DatasetInfo, root: Path, file: str) -> Path | None:
    folders = [root, root / info.name, root / info.folder]
    # With a point where the first hyphen of the format is, as unpackers on Windows have it and archives of Kaggle.
    names = [file, file.replace("-idx", ".idx")]
    candidates = [folder / (name + suffix) for folder in folders for name in names for suffix in ("", ".gz")]
    # Unpacked only: torchvision unpacks what has the right checksum, so that a .gz alone is a failed download's.
    candidates.append(root / info.folder / "raw" / file)
    # Kaggle's archive has a folder for each file, of the same name.
    candidates += [root / name / name for name in names]
    # Path.is_file raises for a name that no file can have.
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def _missing(info: DatasetInfo, root: Path) -> list[str]:
    return [file for files in info.files.values() for file in files if _find(info, root, file) is None]


def _read(info: DatasetInfo, root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    paths = [_find(info, root, file) or root / file for file in info.files[split]]
    if info.format == "libsvm":
        return _read_libsvm(paths[0])
    images, labels = read_idx(paths[0], ndim=3), read_idx(paths[1])
    if labels.ndim == 2 and labels.shape[1]:  # QMNIST keeps eight numbers for each image, the class first.
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise DataError(
            f"{paths[1]} holds {labels.dtype} of shape {labels.shape}, expected a whole number for each image"
        )
    if len(images) != len(labels):
        raise DataError(f"{paths[0]} holds {len(images)} images, but {paths[1]} {len(labels)} labels; get both again")
    return np.moveaxis(images, 1, 2) if info.transposed else images, labels.astype(np.int64) - info.first_label


def _read_libsvm(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """USPS as torchvision reads it, which checks a file's MD5 only when it downloads it."""
    from torchvision.datasets import USPS
    from torchvision.datasets.utils import check_integrity

    train = path.name == "usps.bz2"
    _, _, md5 = USPS.split_list["train" if train else "test"]
    if not check_integrity(path, md5):
        raise DataError(f"{path} is damaged: its checksum is not the published one; delete it and get it again")
    data = USPS(str(path.parent), train=train, download=False)
    return np.asarray(data.data), np.asarray(data.targets)


def _download(info: DatasetInfo, root: Path, missing: list[str], *, allowed: bool) -> None:
    """Let torchvision download; its mirrors, checksums and progress bar."""
    if info.torchvision is None:
        raise DownloadError(_instructions(info, root, missing, "without root= it comes from this package"))
    if not allowed:
        raise DownloadError(_instructions(info, root, missing, "download=False was given"))
    # A second to import: only when a download needs it.
    import torchvision.datasets

    dataset = getattr(torchvision.datasets, info.torchvision)
    try:
        root.mkdir(parents=True, exist_ok=True)
        for train in (True, False):
            dataset(str(root), train=train, download=True, **info.split_argument)
    # A warning, of a mirror that fails, is an error where the host program says so.
    except (OSError, RuntimeError, EOFError, ValueError, Warning, http.client.HTTPException) as error:
        raise DownloadError(_instructions(info, root, missing, f"downloading failed: {error}")) from error
    if missing := _missing(info, root):
        raise DownloadError(_instructions(info, root, missing, "the download did not bring all files"))


def _instructions(info: DatasetInfo, root: Path, missing: list[str], reason: str) -> str:
    # A folder of its own: several sets have files of the same names.
    folder = root / info.folder
    suffix = "" if info.format == "libsvm" else ".gz"
    return (
        f"{info.name} is not in {root} ({reason}).\nPut these files into {folder}, or name their folder with root=:\n"
        + "\n".join(f"  {file}{suffix}" for file in missing)
        + "\n"
        + _what_lies_in(root)
    )


def _what_lies_in(folder: Path) -> str:
    try:
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    except OSError:
        return f"There is no folder {folder} that can be read."
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"In {folder} there is {', '.join(names[:_MOST_LISTED]) or 'nothing'}{more}."
