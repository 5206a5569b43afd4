"""Files of a model hub: fetched by huggingface_hub, and only taken if they are the ones that were meant."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from mnistkit.errors import ConfigError, DownloadError, MissingExtraError

__all__ = ["hub_file"]


def hub_file(repo: str, filename: str, *, revision: str, sha256: str) -> Path:
    """The path of a file of the Hugging Face hub: fetched, checked, and kept in huggingface_hub's cache.

    ``Classifier.load(hub_file("user/digits", "model.safetensors", revision="v1", sha256="9f86d0..."))``

    The environment's ``HF_ENDPOINT`` names another hub.

    Args:
        repo: ``"user/name"``.
        filename: of the file in it.
        revision: the commit, or a tag.
        sha256: of the file, 64 hexadecimal digits, as the hub's page of the file or ``sha256sum`` says it. A tag may be given to
            another file tomorrow: this is the one that you have judged, or you get an error.

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
        raise MissingExtraError("huggingface_hub", "hub", "a file of a hub") from error
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
