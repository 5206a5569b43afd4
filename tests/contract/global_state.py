"""Goes through every public door and prints what each changed in the state of the process: the program of the test beside it."""

import gc
import hashlib
import importlib
import locale
import logging
import os
import pickle
import pkgutil
import random
import signal
import socket
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import PIL.Image
import PIL.ImageFile
import sklearn.utils.validation  # noqa: F401  (scikit-learn and SciPy bring filters of their own for warnings)
import sympy  # noqa: F401  (likewise, when torch's export imports it)
import torch

import mnistkit


def digest(value):
    return hashlib.blake2b(pickle.dumps(value), digest_size=8).hexdigest()


def snapshot():
    return {
        "warning filters": list(warnings.filters),
        "warnings shown by": warnings.showwarning,
        "OpenCV's threads": cv2.getNumThreads(),
        "torch's threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "Python's generator": digest(random.getstate()),
        "NumPy's generator": digest(np.random.get_state()),
        "torch's generator": digest(torch.get_rng_state().numpy()),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "determinism": (
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
        ),
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32),
        "signal handlers": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.stdout, sys.stderr),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "locale": locale.setlocale(locale.LC_ALL),
        # The name is torch's own: its export tells its child processes where they may write.
        "environment": {name: os.environ[name] for name in os.environ if name != "TORCHINDUCTOR_CACHE_DIR"},
        "folder": Path.cwd(),
        "path": list(sys.path),
        "limits": (sys.getrecursionlimit(), socket.getdefaulttimeout(), gc.isenabled(), gc.get_threshold()),
        "NumPy's errors": np.geterr(),
        "Pillow": (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES),
        "matplotlib": digest(dict(mpl.rcParams)),
    }


def difference(before, after):
    if isinstance(before, dict):
        before, after = set(before.items()), set(after.items())
    if isinstance(before, list | set | tuple):
        return f"{[item for item in before if item not in after]} to {[item for item in after if item not in before]}"
    return f"{before} to {after}"


def import_everything():
    for module in pkgutil.walk_packages(mnistkit.__path__, "mnistkit."):
        # PyInstaller runs its hook by itself, and nobody imports it.
        if not module.name.endswith(("__main__", "hook-mnistkit")):
            importlib.import_module(module.name)


def doors(folder):
    """Names, and what is done: one after another, since some need what others made."""
    yield "import", import_everything
    from mnistkit import (
        Checkpoint,
        Classifier,
        Predictor,
        Trainer,
        compare,
        create_model,
        evaluate,
        from_folder,
        load_dataset,
        load_mnist,
        load_model,
        robustness,
        summary,
    )
    from mnistkit.cli import main
    from mnistkit.data import Augment
    from mnistkit.evaluation import repeat
    from mnistkit.interpret import project, saliency
    from mnistkit.plots import sample_grid, training_curves

    yield "load_dataset", lambda: load_dataset("mnist")
    train, validation, test = load_mnist()
    picture = test.images[0, 0].numpy()
    photo = folder / "photo.png"
    PIL.Image.fromarray(np.kron(255 - picture, np.ones((40, 40), np.uint8))).save(photo)
    (folder / "data" / "seven").mkdir(parents=True)
    PIL.Image.fromarray(picture).save(folder / "data" / "seven" / "1.png")
    yield "from_folder", lambda: from_folder(folder / "data")

    def read_with(predictor):
        predictor.predict([picture, photo])
        predictor.read(photo)
        list(predictor.stream([photo, photo, b"no picture"], coverage=0.9))
        predictor.explain(photo)

    yield "reading", lambda: read_with(Predictor(device="cpu"))
    network = create_model("lenet1")
    # Other programs take seconds to compile the large network that ships.
    small = replace(Classifier.pretrained(device="cpu"), network=network)
    for backend in ("onnx", "openvino"):
        yield f"reading with {backend}", lambda backend=backend: read_with(Predictor(small.on("cpu", backend)))

    classifier = Classifier(network, test.preprocessing)
    yield "evaluate", lambda: evaluate(classifier, validation[:200])
    yield "calibrate", lambda: classifier.calibrate(validation[:300], augment=Augment(rotate=10))
    yield "compare", lambda: compare(classifier, network, validation[:200])
    yield (
        "robustness",
        lambda: robustness(classifier, validation[:2], curves=["rotation"], corruptions=["zigzag"], progress=False),
    )
    yield "summary", lambda: summary(network)
    yield "save and load", lambda: (classifier.save(folder / "a.safetensors"), load_model(folder / "a.safetensors"))
    yield "saliency", lambda: saliency(classifier, test.images[:2])
    yield "project", lambda: project(torch.ones(30, 5).cumsum(0).sin())
    trainer = Trainer(network, callbacks=[Checkpoint(folder / "run")], augment=Augment(rotate=9), device="cpu")
    yield "fit", lambda: trainer.fit(train[:200], validation[:100], epochs=1)
    yield "Trainer.evaluate", lambda: trainer.evaluate(validation[:100])
    yield "repeat", lambda: repeat(lambda seed: seed / 2, [0, 1])
    yield "plots", lambda: (sample_grid(test), training_curves(trainer.state.history))
    yield "the command line", lambda: main(["predict", str(photo), "--csv", str(folder / "table.csv")])


def main(folder):
    # As a program has it that has its own mind: nothing of it is what the libraries begin with.
    warnings.simplefilter("error")
    torch.set_num_threads(2)
    cv2.setNumThreads(3)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    count = 0
    before = snapshot()
    for name, use in doors(folder):
        before = snapshot()
        use()
        count += 1
        after = snapshot()
        for what in before:
            if after[what] != before[what]:
                print(f"{name} changed {what}: {difference(before[what], after[what])}")
    print(count, "doors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
