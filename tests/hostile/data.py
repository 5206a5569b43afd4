"""Arrays, labels, IDX files and folders of every kind: each is a data set, or refused with the library's own error."""

import gzip
import tempfile
import warnings
from pathlib import Path

import numpy as np

from mnistkit.data import DigitDataset, from_folder, read_idx
from mnistkit.errors import MnistkitError
from tests.hostile import Outcome, cases, report

TYPES = [0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x00, 0xFF]
DTYPES = ["?", "u1", "i1", "u2", ">i4", "i8", "f2", "f8", "c8", "O", "U4", "M8[s]"]
NAMES = ["0", "1", "train", "test", ".git", "__MACOSX", "a b", "\u00e9", "archive/0", "0/.x"]


def an_idx_file(generator, folder):
    dims = generator.randrange(5)
    sizes = [generator.choice([0, 1, 2, 28, 2**16, 2**32 - 1]) for _ in range(dims)]
    head = bytes([0, 0, generator.choice(TYPES), dims]) + b"".join(size.to_bytes(4, "big") for size in sizes)
    data = head + generator.randbytes(generator.randrange(2000))
    path = folder / "file"
    path.write_bytes(gzip.compress(data) if generator.random() < 0.5 else data)
    read_idx(path)


def arrays(generator, folder):
    def array(most):
        shape = tuple(generator.choice([0, 1, 2, 3, 4, 28, 784]) for _ in range(generator.randrange(most)))
        values = np.zeros(shape, generator.choice(DTYPES))
        return generator.choice([values, values.tolist()])

    DigitDataset.from_arrays(array(5), array(3))


def folders(generator, folder):
    for _ in range(generator.randrange(6)):
        path = folder / generator.choice(NAMES) / generator.choice(["a.png", "b.heic", "c.txt", ".d.png"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(generator.randrange(50)))
    from_folder(folder)


def run(seed: int, seconds: float) -> Outcome:
    tried = failed = 0
    warnings.simplefilter("ignore")
    for number, generator in cases(seed, seconds):
        kind = generator.choice([an_idx_file, arrays, folders])
        tried += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                kind(generator, Path(folder))
            except MnistkitError:
                pass
            except Exception as error:  # noqa: BLE001  (whatever else comes is what is looked for)
                failed += 1
                report(seed, number, f"{kind.__name__}: {error!r}")
    return Outcome(tried, failed)
