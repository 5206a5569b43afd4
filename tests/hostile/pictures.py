"""Pictures of every kind, damaged, lying or odd: each is read or refused with an ImageError, and takes no more than 2 GB."""

import io
import math
import warnings

import numpy as np
import PIL.Image
import torch

from mnistkit.errors import ImageError
from mnistkit.imaging import images_in, load_image
from tests.hostile import Outcome, cases, report
from tests.peak import peak_memory

MOST_GB = 2.0
MOST_VALUES = 10**6
FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA", "ICO", "EPS"]
DTYPES = ["?", "u1", "i1", "u2", ">u2", "i4", "u8", "f2", "f4", ">f8", "c8", "O", "U4", "S2", "M8[s]", "V3"]


def a_file(generator):
    side = generator.randrange(1, 60)
    pixels = np.frombuffer(generator.randbytes(side * side * 3), np.uint8).reshape(side, side, 3)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, generator.choice(FORMATS))
    data = bytearray(file.getvalue())
    for _ in range(generator.randrange(6)):
        data[generator.randrange(len(data))] = generator.randrange(256)
    return bytes(data[: generator.choice([len(data), generator.randrange(len(data) + 1)])])


def an_array(generator):
    shape = tuple(generator.choice([0, 1, 2, 3, 4, 5, 28, 784]) for _ in range(generator.randrange(5)))
    # As nested lists, 784 x 784 x 784 numbers fill a machine, and so do as many empty lists.
    while math.prod(max(side, 1) for side in shape) > MOST_VALUES:
        shape = shape[1:]
    array = np.zeros(shape, generator.choice(DTYPES))
    if array.dtype.kind in "uif" and array.size:
        array += array.dtype.type(generator.choice([0, 1, 16, 100, 127]))
    if generator.random() < 0.3 and array.dtype.kind in "?uif" and array.dtype.isnative:
        tensor = torch.from_numpy(array)
        return generator.choice(
            [tensor, tensor.to("meta"), tensor.to_sparse() if array.dtype.kind == "f" and tensor.ndim else tensor]
        )
    return generator.choice([array, array.tolist(), np.ma.masked_array(array)])


def run(seed: int, seconds: float) -> Outcome:
    tried = failed = 0
    warnings.simplefilter("ignore")
    for number, generator in cases(seed, seconds):
        image = generator.choice([a_file, an_array])(generator)
        tried += 1
        try:
            several = images_in(image)
            for picture in [image] if several is None else several[:3]:
                load_image(picture)
        except ImageError:
            pass
        except Exception as error:  # noqa: BLE001  (whatever else comes is what is looked for)
            failed += 1
            report(seed, number, f"{type(image).__name__}: {error!r}")
    most = peak_memory() / 1e9
    return Outcome(tried, failed + (most > MOST_GB), f"{most:.2f} GB at most")
