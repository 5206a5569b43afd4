"""Every error that mnistkit raises on purpose.

::

    MnistkitError
    ├── ConfigError (ValueError)            an argument that cannot be used; exit code 2
    │   ├── UnknownModelError               a model name that nobody registered
    │   └── DuplicateCallbackError          two callbacks that would share one name
    ├── DataError                           data that cannot be used; exit code 3
    │   ├── DownloadError (OSError)         files that are neither here nor to be fetched
    │   ├── IdxFormatError (ValueError)     a file that is not the IDX file it claims to be
    │   └── SplitLeakError                  test data where only training data may go
    ├── CheckpointError                     a checkpoint that cannot be found or read; exit code 4
    │   ├── CheckpointFormatError           a file that is no checkpoint, or not a safe one
    │   └── CheckpointMismatchError         a checkpoint of something else
    ├── ImageError (ValueError)             an image that cannot be read; exit code 5
    │   └── BlankImageError                 an image without any ink
    ├── NonFiniteLossError (ArithmeticError)  a loss that became NaN or infinite; exit code 6
    ├── MissingExtraError (ImportError)     an optional package that is not installed; exit code 7
    ├── WriteError (OSError)                a file of any kind that cannot be written; exit code 8
    └── ProcessGroupError (RuntimeError)    another process of the run died or fell silent; exit code 9

A message says what was got, what was expected and what to do. ``exit_code`` is what the command line returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

__all__ = [
    "BlankImageError",
    "CheckpointError",
    "CheckpointFormatError",
    "CheckpointMismatchError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "DuplicateCallbackError",
    "IdxFormatError",
    "ImageError",
    "MissingExtraError",
    "MnistkitError",
    "NonFiniteLossError",
    "ProcessGroupError",
    "SplitLeakError",
    "UnknownModelError",
    "WriteError",
    "unknown_name",
]


class MnistkitError(Exception):
    """Base of all errors that mnistkit raises on purpose."""

    exit_code = 1


class ConfigError(MnistkitError, ValueError):
    """An argument that cannot be used."""

    exit_code = 2


class UnknownModelError(ConfigError):
    """A model name that is not in the registry."""


class DuplicateCallbackError(ConfigError):
    """Two callbacks of one name: their saved states would overwrite each other."""


class DataError(MnistkitError):
    """Data that cannot be used: its shape, type, range or labels."""

    exit_code = 3


class DownloadError(DataError, OSError):
    """A data set whose files are not on disk and cannot be downloaded."""


class IdxFormatError(DataError, ValueError):
    """A file that is not a valid IDX file."""


class SplitLeakError(DataError):
    """Test data given to training or to the choice of a model."""


class CheckpointError(MnistkitError):
    """A checkpoint that cannot be found or read, or content that no checkpoint can hold."""

    exit_code = 4


class CheckpointFormatError(CheckpointError):
    """A file that is not a checkpoint, or that could only be loaded by running code from it."""


class CheckpointMismatchError(CheckpointError):
    """A checkpoint that does not belong to this model or this run."""


class ImageError(MnistkitError, ValueError):
    """An image that cannot be read or understood."""

    exit_code = 5


class BlankImageError(ImageError):
    """An image without any ink in it."""


class NonFiniteLossError(MnistkitError, ArithmeticError):
    """A training loss that became NaN or infinite."""

    exit_code = 6


def is_whole() -> bool:
    """Whether all of mnistkit is here; mnistkit-runtime has what reads pictures and no more."""
    return find_spec("mnistkit.classifier") is not None


class MissingExtraError(MnistkitError, ImportError):
    """A package that only an optional feature needs, and that is not installed."""

    exit_code = 7

    def __init__(self, package: str, extra: str, feature: str) -> None:
        """Of a package that an extra brings, or, with ``""``, that only the whole of mnistkit does."""
        super().__init__(package, extra, feature)  # as they came: a pickled error is made from its arguments again
        if extra:
            remedy = f"pip install '{'mnistkit' if is_whole() else 'mnistkit-runtime'}[{extra}]'"
        else:  # both have the same files: together they can be used, but not removed one by one
            remedy = "pip uninstall mnistkit-runtime, then pip install mnistkit"
        self.msg = f"{feature} needs {package}, which is not installed: {remedy}"

    def __str__(self) -> str:
        return self.msg


class WriteError(MnistkitError, OSError):
    """A file of any kind that cannot be written: the disk is full, the folder protected, the name that of a device."""

    exit_code = 8


class ProcessGroupError(MnistkitError, RuntimeError):
    """Another process of a run of several died or fell silent."""

    exit_code = 9


def unknown_name(kind: str, name: object, available: Iterable[str]) -> str:
    """The message for a name that is not one of ``available``, with the likeliest meant one.

    >>> unknown_name("model", "lennet5", ["lenet1", "lenet5"])
    "unknown model 'lennet5'; did you mean 'lenet5'? Available: lenet1, lenet5"
    """
    import difflib  # late, since most programs never need it

    names = sorted(available)
    close = difflib.get_close_matches(str(name), names, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{guess} Available: {', '.join(names)}"
