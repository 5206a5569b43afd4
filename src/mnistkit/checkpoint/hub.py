"""Files of a model hub: fetched by huggingface_hub, and only taken if they are the ones that were meant."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from mnistkit.errors import ConfigError, DownloadError, MissingExtraError

__all__ = ["hub_file"]


def hub_file(repo: str, filename: str, *, revision: str, sha256: str) -> Path:
    """The file in huggingface_hub's cache, where it is put if it is not there yet.

    Raises:
        ConfigError: for a checksum, repository or revision that cannot be one.
        DownloadError: if the file can neither be found nor fetched, or is another one than the checksum says.
        MissingExtraError: without huggingface_hub.
    """
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ConfigError(f"sha256 is {sha256!r}, expected the file's SHA-256 as 64 hexadecimal digits")
    try:
        from huggingface_hub import hf_hub_download

        # HTTPError is the base of all that it raises while it fetches, though its module does not list it.
        from huggingface_hub.errors import (  # type: ignore[attr-defined]
            HFValidationError,
            HTTPError,
            LocalEntryNotFoundError,
            XetDownloadError,
        )
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub", "a classifier from a hub") from error
    name = f"{filename} of {repo} at {revision}"
    try:
        # Named here, it holds also where it was set after huggingface_hub was imported.
        endpoint = os.environ.get("HF_ENDPOINT")
        path = Path(hf_hub_download(repo, filename, revision=revision, endpoint=endpoint))
    except HFValidationError as error:
        raise ConfigError(f"{name} cannot be on a hub: {error}") from error
    except LocalEntryNotFoundError as error:
        raise DownloadError(
            f"{name} was not fetched before, and the hub cannot be reached: go online once, or copy the file here and "
            "use Classifier.load(path)"
        ) from error
    except (OSError, HTTPError, XetDownloadError) as error:
        raise DownloadError(f"{name} cannot be fetched: {error}") from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256.lower():
        raise DownloadError(
            f"{name} is another file than was meant: its SHA-256 is {found}, expected {sha256.lower()}. If it was damaged "
            f"here, delete {path.resolve()} and try again; if not, do not use it"
        )
    return path
