"""The data sets that a command names: one of the catalogue, or a folder of one's own pictures."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from mnistkit._core.files import user_path
from mnistkit.errors import ConfigError

if TYPE_CHECKING:
    from mnistkit.data import DigitDataset, Preprocessing, Splits
    from mnistkit.types import SplitName

__all__ = ["load_for_evaluation", "load_for_training"]

_CATALOGUE_VALIDATION = 5000


def load_for_training(name: str, root: str | None, validation: int, *, of_folder: int | None = None) -> Splits:
    """A data set to train on; a part that there is not is one without images.

    Args:
        name: of the catalogue, or a folder: of classes, or with such a folder in ``train`` and, if there are any, in
            ``validation`` and ``test``.
        root: where the files of a data set of the catalogue are.
        validation: how many training images of the catalogue's to set aside.
        of_folder: how many of a folder's, if it has no folder ``validation``; by default a tenth.
    """
    from mnistkit.data import Splits, from_folder, load_dataset

    folder = _folder(name)
    if folder is None:
        return load_dataset(name, root=root, validation=validation)
    parts = _parts(folder)
    train = from_folder(parts.get("train", folder))
    if "test" in parts:
        test = _like(train, from_folder(parts["test"], split="test"))
    else:
        test = dataclasses.replace(train[:0], split="test")
    if "validation" in parts:
        return Splits(train, _like(train, from_folder(parts["validation"], split="validation")), test)
    rest, part = train.stratified_split(len(train) // 10 if of_folder is None else of_folder)
    return Splits(rest, dataclasses.replace(part, split="validation"), test)


def load_for_evaluation(
    name: str,
    root: str | None,
    split: SplitName,
    validation: int | None,
    *,
    preprocessing: Preprocessing | None,
    by_user: bool,
) -> tuple[DigitDataset, DigitDataset | None]:
    """What to measure on, and what was left for training: a split, or all pictures of a folder that holds classes.

    Args:
        name: as for :func:`load_for_training`.
        root: likewise.
        split: which images.
        validation: how many training images were set aside.
        preprocessing: how the model's images are prepared; a folder's pictures are framed alike.
        by_user: whether the user gave the name; what only a file names is neither fetched nor sought among folders.
    """
    from mnistkit.data import from_folder, load_dataset

    folder = _folder(name) if by_user else None
    if folder is None:
        # The test images are the same whatever is set aside.
        count = 0 if split == "test" else _CATALOGUE_VALIDATION if validation is None else validation
        data = load_dataset(name, root=root, validation=count, download=by_user)
        return getattr(data, split), data.train
    parts = _parts(folder)
    if parts and split not in parts:
        raise ConfigError(f"{folder} has no folder {split}, only {', '.join(parts)}; give --split")
    path = parts.get(split, folder)
    if preprocessing is None:
        return from_folder(path, split=split), None
    channels: Literal[1, 3] = 3 if preprocessing.channels == 3 else 1
    framing = preprocessing.framing
    return from_folder(path, size=preprocessing.size[0], channels=channels, framing=framing, split=split), None


def _folder(name: str) -> Path | None:
    """The folder that a name means, if it is none of the catalogue."""
    from mnistkit.data import dataset_info

    try:
        dataset_info(name)
    except ConfigError as error:
        folder = user_path(name)
        if not os.path.isdir(folder):  # noqa: PTH112  (Path's raises for a name that no folder can have)
            raise ConfigError(f"{error}; and there is no folder of that name") from error
        return folder
    return None


def _parts(folder: Path) -> dict[SplitName, Path]:
    """The folders of the splits, if it holds those and not classes: then there are folders in the one called train."""
    names = ("train", "validation", "test")
    parts = {cast("SplitName", name): folder / name for name in names if (folder / name).is_dir()}
    return parts if any(inside.is_dir() for path in parts.values() for inside in path.iterdir()) else {}


def _like(train: DigitDataset, part: DigitDataset) -> DigitDataset:
    """Pictures as the training pictures are: normalised by the same figures, labelled by the same classes."""
    if part.classes != train.classes:
        raise ConfigError(
            f"{part.source} has folders for {' '.join(part.classes)}, {train.source} for {' '.join(train.classes)}"
        )
    return part.normalized(train.mean, train.std)
