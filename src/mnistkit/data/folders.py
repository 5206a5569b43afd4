"""One's own pictures: a folder for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mnistkit._core.files import user_path
from mnistkit.data.datasets import DigitDataset
from mnistkit.errors import ConfigError, DataError, ImageError
from mnistkit.imaging import Framing, frame_image, image_files, image_suffixes, load_for_frame
from mnistkit.imaging.folders import is_hidden
from mnistkit.types import PathLike, SplitName

__all__ = ["from_folder"]

# A frame of more pixels is no frame of a digit, and a thousand of them fill the memory.
_LARGEST_SIZE = 1024
_SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})
_MOST_LISTED = 20


def from_folder(
    path: PathLike,
    *,
    size: int = 28,
    channels: Literal[1, 3] = 1,
    framing: Framing = "mnist",
    split: SplitName = "train",
    classes: Sequence[str] | None = None,
) -> DigitDataset:
    """One's own pictures: a folder for each class, named after it.

    Hidden files and folders are passed over, and what systems and unpackers leave behind (``__MACOSX``, ``@eaDir``). Every other
    picture is read, or the error names it.

    Args:
        path: the folder that holds the classes' folders.
        size: height and width that every picture is brought to.
        channels: 1 for grey, 3 for colour (with ``framing="resize"``).
        framing: ``"mnist"`` finds the ink of a digit and frames it as MNIST's makers did; ``"resize"`` takes the whole
            picture.
        split: what the pictures are for.
        classes: the names in the order of their labels, such as a model's; some of them may have no folder, or an empty one. By
            default the folders' names, numbers before words.

    Raises:
        ConfigError: for a size below 1 or over 1024, or colour with ``framing="mnist"``.
        DataError: if there is no such folder, class or picture; if the folders are none of classes, are empty, or have pictures
            beside them; if pictures cannot be read (all are listed).
    """
    if not (isinstance(size, int) and 1 <= size <= _LARGEST_SIZE):
        raise ConfigError(f"size is {size}, expected a whole number from 1 to {_LARGEST_SIZE}")
    if framing == "mnist" and channels != 1:
        raise ConfigError(
            f"framing 'mnist' makes 1 channel, white ink on black; {channels} channels need framing='resize'"
        )
    folder = user_path(path)
    try:
        files = _by_class(folder)
    except ImageError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    empty = [name for name, inside in files.items() if not inside and (classes is None or name not in classes)]
    if not any(files.values()):
        raise DataError(
            f"no pictures in {folder}: expected a folder for each class, as in {folder}/7/photo.png, with files ending "
            f"in {', '.join(sorted(image_suffixes()))}"
        )
    if empty:
        raise DataError(
            f"no pictures in {_list(folder / name for name in empty)}: delete what is no class; classes={[*files]} says that a "
            "class has none yet"
        )
    frames, failures = [], []
    for file in (file for inside in files.values() for file in inside):
        try:
            pixels = load_for_frame(file, size=(size, size), framing=framing, channels=channels)
            frames.append(frame_image(pixels, size=(size, size), framing=framing))
        except ImageError as error:
            failures.append(f"  {file}: {error}")
    if failures:
        count = len(frames) + len(failures)
        raise DataError(f"{len(failures)} of {count} pictures cannot be read:\n" + "\n".join(failures))
    data = DigitDataset.from_arrays(
        np.stack(frames),
        [label for label, inside in enumerate(files.values()) for _ in inside],
        white=255,
        classes=[*files],
        split=split,
        name=folder.resolve().name,
        source=str(folder),
        framing=framing,
    )
    return data if classes is None else data.with_classes(classes)


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each class, numbers before words; only where the folders are those of classes."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected one that holds a folder of pictures for each class")
    inside = sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))
    names = sorted((entry.name for entry in inside if entry.is_dir()), key=_numbers_first)
    files = {name: image_files(folder / name) for name in names}
    if parts := sorted(
        (name for name in names if name.lower() in _SPLITS), key=lambda name: name.lower()[:5] != "train"
    ):
        raise DataError(
            f"{folder} holds {', '.join(names)}, which are parts of a data set and no classes: take each by itself, as in "
            f'from_folder("{folder / parts[0]}")'
        )
    if len(names) == 1 and files[names[0]] and all(file.parent != folder / names[0] for file in files[names[0]]):
        raise DataError(
            f'{folder} holds one folder, and no picture lies in it but in folders below: from_folder("{folder / names[0]}")'
        )
    below = {file.relative_to(folder / name).parts[0] for name in names for file in files[name]}
    if below and not all(map(str.isdecimal, names)) and all(map(str.isdecimal, below)):
        raise DataError(
            f"{folder} holds {', '.join(names)}, and in these are the folders {', '.join(sorted(below))}, which look like the "
            f'classes: take each by itself, as in from_folder("{folder / names[0]}"), and join them with concatenate()'
        )
    beside = [entry for entry in inside if not entry.is_dir() and entry.suffix.lower() in image_suffixes()]
    if beside and not names:
        raise DataError(
            f"{_list(beside)} lie in {folder} itself: expected a folder for each class, as in {folder}/7/photo.png; "
            "Predictor().predict() reads pictures without classes"
        )
    if names and beside:
        raise DataError(f"{_list(beside)} lie beside the folders of classes: move them into those of their classes")
    return files


def _list(paths: Iterable[Path]) -> str:
    names = [str(path) for path in paths]
    return ", ".join(names[:_MOST_LISTED]) + (
        f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    )


def _numbers_first(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
