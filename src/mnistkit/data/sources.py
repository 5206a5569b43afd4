"""Where data sets come from: this package, files on disk, a download, a folder of one's own pictures."""

from __future__ import annotations

import dataclasses
import http.client
import importlib.resources
import os
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from mnistkit.data.catalogue import DatasetInfo, dataset_info
from mnistkit.data.datasets import DigitDataset, Splits
from mnistkit.data.idx import read_idx
from mnistkit.data.split_guard import remember_test_images
from mnistkit.errors import ConfigError, DataError, DownloadError, ImageError
from mnistkit.imaging import IMAGE_SUFFIXES, Framing, frame_image, image_files, load_image
from mnistkit.types import PathLike, SplitName

__all__ = ["MNIST_MEAN_STD", "cache_dir", "from_folder", "load_dataset", "load_mnist"]

# Of all 60,000 training images; a test measures them.
MNIST_MEAN_STD = ((0.13066047627384286,), (0.3081078038564627,))


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
        name: one of :func:`mnistkit.data.list_datasets`.
        root: the folder with the files (gzipped or not; torchvision's own layout is found too), or where to put them;
            by default ``$MNISTKIT_HOME``, else this platform's cache folder.
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
    if info.torchvision is None:
        folder, source = Path(str(importlib.resources.files("mnistkit.data") / "_mnist")), "bundled with mnistkit"
    else:
        folder = cache_dir() if root is None else Path(root).expanduser()
        source = str(folder)
        if missing := _missing(info, folder):
            _download(info, folder, missing, allowed=download)
    images, labels = _read(info, folder, "train")
    mean_std = MNIST_MEAN_STD if name == "mnist" else None
    train = DigitDataset.from_arrays(
        images, labels, classes=info.classes, name=name, source=source, framing=info.framing, mean_std=mean_std
    )
    images, labels = _read(info, folder, "test")
    test = DigitDataset.from_arrays(
        images,
        labels,
        classes=info.classes,
        split="test",
        name=name,
        source=source,
        framing=info.framing,
        mean_std=(train.mean, train.std),
    )
    if info.torchvision is not None:
        remember_test_images(test)
    rest, part = train.stratified_split(validation, seed)
    return Splits(rest, dataclasses.replace(part, split="validation"), test)


def from_folder(
    path: PathLike,
    *,
    size: int = 28,
    channels: Literal[1, 3] = 1,
    framing: Framing = "mnist",
    split: SplitName = "train",
) -> DigitDataset:
    """One's own pictures: a folder for each class, named after it.

    Args:
        path: the folder that holds the classes' folders. Labels are numbered in the order of their names, numbers
            before words.
        size: height and width that every picture is brought to.
        channels: 1 for grey, 3 for colour (with ``framing="resize"``).
        framing: ``"mnist"`` finds the ink of a digit and frames it as MNIST's makers did; ``"resize"`` takes the whole
            picture.
        split: what the pictures are for.

    Raises:
        ConfigError: for a size below 1, or colour with ``framing="mnist"``.
        DataError: if there is no such folder, class or picture, or pictures cannot be read (all are listed).
    """
    if size < 1:
        raise ConfigError(f"size is {size}, expected at least 1")
    if framing == "mnist" and channels != 1:
        raise ConfigError(
            f"framing 'mnist' makes 1 channel, white ink on black; {channels} channels need framing='resize'"
        )
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected one that holds a folder of pictures for each class")
    classes = sorted((p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=_by_number)
    files = [(file, label) for label, name in enumerate(classes) for file in image_files(folder / name)]
    if not files:
        raise DataError(
            f"no pictures in {folder}: expected a folder for each class, as in {folder}/7/photo.png, with files ending "
            f"in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    frames, failures = [], []
    for file, _ in files:
        try:
            # The ink may stand out by its colour alone.
            pixels = load_image(file, channels=3 if framing == "mnist" else channels)
            frames.append(frame_image(pixels, size=(size, size), framing=framing))
        except ImageError as error:
            failures.append(f"  {file}: {error}")
    if failures:
        raise DataError(f"{len(failures)} of {len(files)} pictures cannot be read:\n" + "\n".join(failures))
    return DigitDataset.from_arrays(
        np.stack(frames),
        [label for _, label in files],
        classes=classes,
        split=split,
        name=folder.resolve().name,
        source=str(folder),
        framing=framing,
    )


def cache_dir() -> Path:
    """Where downloaded files are kept: ``$MNISTKIT_HOME``, or the platform's cache folder."""
    if home := os.environ.get("MNISTKIT_HOME"):
        return Path(home).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mnistkit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mnistkit" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnistkit"


def _by_number(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _find(info: DatasetInfo, root: Path, file: str) -> Path | None:
    folders = [root, root / info.name]
    if info.torchvision:
        folders.append(root / info.torchvision)
    candidates = [folder / (file + suffix) for folder in folders for suffix in ("", ".gz")]
    if info.torchvision:
        # Unpacked only: torchvision unpacks what has the right checksum, so that a .gz alone is a failed download's.
        candidates.append(root / info.torchvision / "raw" / file)
    return next((path for path in candidates if path.is_file()), None)


def _missing(info: DatasetInfo, root: Path) -> list[str]:
    return [file for files in info.files.values() for file in files if _find(info, root, file) is None]


def _read(info: DatasetInfo, root: Path, split: str) -> tuple[np.ndarray | torch.Tensor, np.ndarray]:
    paths = [_find(info, root, file) or root / file for file in info.files[split]]
    if info.format == "libsvm":
        return _read_libsvm(paths[0])
    images = torch.from_numpy(read_idx(paths[0], ndim=3))
    labels = read_idx(paths[1])
    if len(images) != len(labels):
        raise DataError(f"{paths[0]} holds {len(images)} images, but {paths[1]} {len(labels)} labels; get both again")
    if labels.ndim == 2:  # QMNIST keeps eight numbers for each image, the class first.
        labels = labels[:, 0]
    return images.mT if info.transposed else images, labels.astype(np.int64) - info.first_label


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
    if not allowed:
        raise DownloadError(_instructions(info, root, missing, "download=False was given"))
    # A second to import: only when a download needs it.
    import torchvision.datasets

    dataset = getattr(torchvision.datasets, str(info.torchvision))
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
    folder = root / str(info.torchvision)
    suffix = "" if info.format == "libsvm" else ".gz"
    return (
        f"{info.name} is not on this machine ({reason}).\nPut these files into {folder}, or name their folder with root=:\n"
        + "\n".join(f"  {file}{suffix}" for file in missing)
    )
