"""Checkpoints that were damaged or crafted: headers, specs, training parts, tensors, archives, single bits.

Each file is used in every way there is; each use must end with the library's own error, or well, in seconds and 300 MB.
"""

import contextlib
import copy
import io
import json
import pickle
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from mnistkit import Checkpoint, Predictor, Trainer, create_model, load_mnist, load_model
from mnistkit.callbacks import EMA, CSVLogger, EarlyStopping, KernelRecorder
from mnistkit.checkpoint import load_weights, read_checkpoint
from mnistkit.checkpoint.header import NO_CHECKSUM, with_checksum
from mnistkit.cli import main
from mnistkit.errors import MnistkitError
from tests.hostile import Outcome, cases, report
from tests.peak import peak_memory

MOST_SECONDS, MOST_MB = 10.0, 300.0
VALUES = [
    None, True, False, 0, 1, -1, 3, 10**9, 10**30, -(10**9), 0.5, 1e308, -1e-308, "", "x", "relu", "\ud800",
    "\x1b[31m", "a" * 10_000, [], {}, [1], [[1]], [None], [1] * 20_000, [20_000] * 3, {"a": 1}, {"name": "mlp"},
    [{}], ["resize", 20_000], [["resize", 20_000]], ["crop", -1], {"$float": "nan"}, {"$float": "inf"}, {"$float":
    "x"}, {"$tensor": "model/conv.0.weight"}, {"$tensor": "gone"}, {"$tuple": [1, 2]}, {"$tuple": {}}, {"$items":
    [[1, 2]]}, {"$items": [[[1], 2]]}, {"$items": [1]}, {"$items": [[1, 2, 3]]},
]  # fmt: skip
KEYS = ["name", "classes", "hidden", "image_size", "channels", "activation", "$tensor", "$items", "x", "0", "", "step"]


def parts(data):
    """A file's own header and its tensors."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])["__metadata__"]["mnistkit"]
    return json.loads(header), safetensors.torch.load(data)


def packed(header, tensors):
    """The file again, with a checksum that is right."""
    if isinstance(header, dict):
        header = {"checksum": NO_CHECKSUM} | header | {"checksum": NO_CHECKSUM}
    data = safetensors.torch.save(tensors, {"mnistkit": header if isinstance(header, str) else json.dumps(header)})
    return with_checksum(data) if isinstance(header, dict) else data


def places(value, path=()):
    """The path of everything in a tree of JSON."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


def changed(header, chance):
    """A header with one thing replaced, removed, added, repeated or nested."""
    header = copy.deepcopy(header)
    found = list(places(header))
    # The upper levels have few places and most of the meaning.
    *path, last = chance.choice([place for place in found if 0 < len(place) <= chance.choice([1, 2, 3, 4, 9])])
    parent = header
    for key in path:
        parent = parent[key]
    action = chance.randrange(7)
    if action <= 2:
        parent[last] = copy.deepcopy(chance.choice(VALUES))
    elif action == 3:
        del parent[last]
    elif action == 4 and isinstance(parent, dict):
        parent[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
    elif action == 5:
        for _ in range(chance.choice([3, 60, 400])):
            parent[last] = [parent[last]] if chance.random() < 0.5 else {"a": parent[last]}
    elif isinstance(parent[last], list):
        parent[last] = (parent[last] or [1]) * chance.choice([2, 1000])
    else:
        parent[last] = [parent[last]]
    return header


def other_tensors(tensors, chance):
    """Tensors with one of another shape, type or value, one more or one less."""
    tensors = dict(tensors)
    name = chance.choice(sorted(tensors))
    tensor = tensors[name]
    action = chance.randrange(7)
    if action == 0:
        del tensors[name]
    elif action == 1:
        tensors[name + chance.choice(["x", ".weight", "'"])] = tensor.clone()
    elif action == 2:
        tensors[name] = tensor.flatten()[: chance.randrange(3)].clone()
    elif action == 3:
        tensors[name] = torch.zeros(chance.choice([(0,), (1, 1), (0, 10**9), (7,)]))
    elif action == 4:
        kind = chance.choice(
            [torch.int64, torch.float64, torch.bool, torch.complex64, torch.uint8, torch.float8_e4m3fn]
        )
        tensors[name] = tensor.to(kind)
    elif tensor.is_floating_point() and tensor.numel():
        tensors[name] = torch.full_like(tensor, chance.choice([float("nan"), float("inf"), 1e38]))
    else:
        tensors[name] = tensor.float()
    return tensors


def flipped(data, chance):
    """A file with one bit changed."""
    data = bytearray(data)
    place = chance.randrange(chance.choice([16, 3_000, len(data)]))
    data[place] ^= 1 << chance.randrange(8)
    return bytes(data)


def archive(weights, chance):
    """A torch file of odd content."""
    odd = chance.choice(
        [
            torch.eye(3).to_sparse(),
            torch.empty(10**6, device="meta"),
            torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            torch.zeros(1).expand(10**9),
            torch.full((3,), float("nan")),
            np.zeros(3),
            "text",
            None,
            torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
        ]
    )
    file = io.BytesIO()
    content = dict(weights) | {chance.choice([*weights, "x"]): odd}
    if (
        isinstance(odd, torch.Tensor)
        and odd.device.type == "cpu"
        and odd.layout is torch.strided
        and chance.random() < 0.3
    ):
        content = odd
    with contextlib.suppress(RuntimeError, pickle.PicklingError):
        torch.save(content, file, _use_new_zipfile_serialization=chance.random() < 0.7)
    if chance.random() < 0.3 and zipfile.is_zipfile(file):
        bomb = io.BytesIO()
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
            for record in source.infolist():
                target.writestr(record.filename, source.read(record) + bytes(chance.choice([0, 10**8])))
        file = bomb
    return file.getvalue()


class Bench:
    """Valid files, and all the ways to use one."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "case.safetensors"
        self.train = load_mnist().train[:60]
        for model in ("lenet1", "mlp", "fast_cnn"):
            self.trainer(folder / model, model).fit(self.train, self.train, epochs=1)
        self.models = [(folder / model / "best.safetensors").read_bytes() for model in ("lenet1", "mlp", "fast_cnn")]
        self.runs = [(folder / model / "last.safetensors").read_bytes() for model in ("lenet1", "mlp", "fast_cnn")]
        self.image = self.train.images[0, 0].numpy()

    def trainer(self, folder, model):
        layer = "layers.0" if model == "mlp" else "conv.0"
        callbacks = [
            EMA(),
            EarlyStopping(2),
            CSVLogger(folder / "log.csv"),
            KernelRecorder(layer, every=1),
            Checkpoint(folder),
        ]
        return Trainer(create_model(model), callbacks=callbacks, batch_size=20, progress=False, device="cpu")

    def uses(self, run):
        """The names and functions; ``run`` is the number of the run to resume, or ``None`` for a model file."""
        yield "read_checkpoint", lambda: read_checkpoint(self.file)
        yield "load_model", lambda: load_model(self.file)
        yield "load_weights", lambda: load_weights(create_model("lenet1"), read_checkpoint(self.file).weights)
        yield "Predictor", lambda: Predictor.from_checkpoint(self.file).predict(self.image)
        yield "info", lambda: main(["info", str(self.file), "--json"])
        if run is not None:
            with tempfile.TemporaryDirectory() as folder:
                trainer = self.trainer(Path(folder), ("lenet1", "mlp", "fast_cnn")[run])
                yield "resume", lambda: trainer.fit(self.train, self.train, epochs=2, resume=self.file)


def crafted(bench, chance):
    """A file, which run it is of, and whether it must be refused."""
    number, kind = chance.randrange(3), chance.randrange(10)
    if kind == 0:
        return archive(create_model("lenet1").state_dict(), chance), None, False
    run = number if kind >= 5 else None
    data = (bench.models if run is None else bench.runs)[number]
    if kind in (1, 5):
        return flipped(data, chance), run, True
    header, tensors = parts(data)
    if kind in (2, 6):
        return packed(header, other_tensors(tensors, chance)), run, False
    header = changed(header, chance)
    return packed(header, tensors), run, False


def run(seed: int, seconds: float) -> Outcome:
    torch.set_num_threads(1)
    tried = failed = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        before = peak_memory()
        for number, chance in cases(seed, seconds):
            data, which, refused = crafted(bench, chance)
            bench.file.write_bytes(data)
            for name, use in bench.uses(which):
                start, problem = time.monotonic(), None
                try:
                    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                        code = use()
                    if refused and not (name == "info" and code):
                        problem = "a changed file was taken"
                except MnistkitError:
                    pass
                except Exception as error:  # noqa: BLE001  (what is looked for)
                    problem = f"{type(error).__name__}: {error}"
                slowest = max(slowest, time.monotonic() - start)
                if time.monotonic() - start > MOST_SECONDS:
                    problem = f"{time.monotonic() - start:.0f} s"
                tried += 1
                if problem is not None:
                    failed += 1
                    report(seed, number, f"{name}: {problem[:200]}")
    grown = (peak_memory() - before) / 1e6
    if grown > MOST_MB:
        failed += 1
        report(seed, tried, f"{grown:.0f} MB")
    return Outcome(tried, failed, f"slowest {slowest:.1f} s, {grown:+.0f} MB")
