"""Digit classifiers on PyTorch.

``import mnistkit`` is instant: torch is imported when a name that needs it is first used.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnistkit.callbacks import EMA as EMA
    from mnistkit.callbacks import Checkpoint as Checkpoint
    from mnistkit.callbacks import CSVLogger as CSVLogger
    from mnistkit.callbacks import EarlyStopping as EarlyStopping
    from mnistkit.checkpoint import load_model as load_model
    from mnistkit.classifier import Classifier as Classifier
    from mnistkit.data import Augment as Augment
    from mnistkit.data import DigitDataset as DigitDataset
    from mnistkit.data import TensorLoader as TensorLoader
    from mnistkit.data import from_folder as from_folder
    from mnistkit.data import load_dataset as load_dataset
    from mnistkit.data import load_mnist as load_mnist
    from mnistkit.device import resolve_device as resolve_device
    from mnistkit.errors import MnistkitError as MnistkitError
    from mnistkit.evaluation import Report as Report
    from mnistkit.evaluation import compare as compare
    from mnistkit.evaluation import evaluate as evaluate
    from mnistkit.evaluation import robustness as robustness
    from mnistkit.models import create_model as create_model
    from mnistkit.models import list_models as list_models
    from mnistkit.models import register_model as register_model
    from mnistkit.models import summary as summary
    from mnistkit.reading import Prediction as Prediction
    from mnistkit.reading import Predictor as Predictor
    from mnistkit.reading import Reading as Reading
    from mnistkit.seeding import seed_everything as seed_everything
    from mnistkit.training import Callback as Callback
    from mnistkit.training import OneCycle as OneCycle
    from mnistkit.training import Trainer as Trainer
    from mnistkit.types import StepOutput as StepOutput

# Where each public name lives; a test compares this with what type checkers see above.
_HOMES = {
    "Augment": "data",
    "CSVLogger": "callbacks",
    "Callback": "training",
    "Checkpoint": "callbacks",
    "Classifier": "classifier",
    "DigitDataset": "data",
    "EMA": "callbacks",
    "EarlyStopping": "callbacks",
    "MnistkitError": "errors",
    "OneCycle": "training",
    "Prediction": "reading",
    "Predictor": "reading",
    "Reading": "reading",
    "Report": "evaluation",
    "StepOutput": "types",
    "TensorLoader": "data",
    "Trainer": "training",
    "compare": "evaluation",
    "create_model": "models",
    "evaluate": "evaluation",
    "from_folder": "data",
    "list_models": "models",
    "load_dataset": "data",
    "load_mnist": "data",
    "load_model": "checkpoint",
    "register_model": "models",
    "resolve_device": "device",
    "robustness": "evaluation",
    "seed_everything": "seeding",
    "summary": "models",
}

# What ``mnistkit.NAME`` imports when it is first used, besides.
_MODULES = {
    "backends",
    "calibration",
    "callbacks",
    "card",
    "checkpoint",
    "classifier",
    "data",
    "device",
    "distributed",
    "errors",
    "evaluation",
    "finder",
    "imaging",
    "interpret",
    "line_reader",
    "metrics",
    "models",
    "page_network",
    "plots",
    "precision",
    "reading",
    "recipes",
    "runtime",
    "seeding",
    "sklearn",
    "synthetic",
    "training",
    "types",
    "zoo",
}

__all__ = sorted(_HOMES)


# Hidden from type checkers, which would believe it that there is a name of any spelling.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES and name not in _MODULES:
            raise AttributeError(f"module 'mnistkit' has no attribute {name!r}")
        part = f"mnistkit.{_HOMES.get(name, name)}"
        try:
            module = importlib.import_module(part)
        except ModuleNotFoundError as error:
            if error.name != part:
                raise
            # In mnistkit-runtime, which has what reads pictures and no more.
            raise importlib.import_module("mnistkit.errors").MissingExtraError(
                "the whole of mnistkit", "", f"mnistkit.{name}"
            ) from error
        if name in _MODULES:
            return module
        value: object = getattr(module, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
