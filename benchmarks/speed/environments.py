"""A virtual environment for each peer, and MNIST in the form that each peer expects."""

from __future__ import annotations

import gzip
import site
import subprocess
import sys
import venv
from importlib import resources
from pathlib import Path

import numpy as np
import PIL.Image

from mnistkit import load_mnist

#: What is installed for each peer, and whether it shares this environment's torch, so that all have the same one.
PEERS: dict[str, tuple[list[str], bool]] = {
    "lightning": (["lightning"], True),
    "skorch": (["skorch"], True),
    "fastai": (["fastai"], True),
    "keras-torch": (["keras"], True),
    "keras-jax": (["keras", "jax"], False),
    "keras-tensorflow": (["keras", "tensorflow-cpu"], False),
}


def python_of(peer: str, cache: Path) -> str:
    """The interpreter of a peer's environment, made if need be."""
    folder = cache / "envs" / peer
    python = folder / "bin" / "python"
    if not python.exists():
        packages, shares = PEERS[peer]
        print(f"making {folder} with {' '.join(packages)}", flush=True)
        venv.create(folder, with_pip=True)
        if shares:
            inside = next(folder.glob("lib/python*/site-packages"))
            (inside / "shared.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


def prepare_data(cache: Path) -> Path:
    """MNIST as torchvision, Keras and fastai would have downloaded it; returns the folder."""
    folder = cache / "data"
    if (folder / "complete").exists():
        return folder
    print(f"writing MNIST into {folder}", flush=True)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for packed in resources.files("mnistkit.data").joinpath("_mnist").iterdir():
        if packed.name.endswith(".gz"):
            (raw / packed.name.removesuffix(".gz")).write_bytes(gzip.decompress(packed.read_bytes()))
    data = load_mnist(validation=0)
    arrays: dict[str, np.ndarray] = {}
    for part, images, labels, name in (
        ("train", data.train.images, data.train.labels, "training"),
        ("test", data.test.images, data.test.labels, "testing"),
    ):
        arrays |= {f"x_{part}": images[:, 0].numpy(), f"y_{part}": labels.numpy().astype(np.uint8)}
        for number, (image, label) in enumerate(zip(images[:, 0].numpy(), labels.tolist(), strict=True)):
            picture = folder / "mnist_png" / name / str(label) / f"{number}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(image).save(picture)
    np.savez(folder / "mnist.npz", **arrays)  # type: ignore[arg-type]  # arrays by name
    (folder / "complete").touch()
    return folder


def here() -> str:
    """This environment's own interpreter."""
    return sys.executable
