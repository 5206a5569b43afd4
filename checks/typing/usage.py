"""What a type checker makes of ordinary use; `test_typing.py` has mypy look at it, and nothing runs it."""

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from torch import Tensor, nn

from mnistkit import (
    Augment,
    Callback,
    Checkpoint,
    DigitDataset,
    EarlyStopping,
    Prediction,
    Predictor,
    TensorLoader,
    Trainer,
    create_model,
    list_models,
    load_mnist,
    load_model,
    register_model,
    resolve_device,
)
from mnistkit.data import Splits
from mnistkit.metrics import Evaluation, Proportion
from mnistkit.models import lenet5, mlp
from mnistkit.models.lenet import LeNet
from mnistkit.models.mlp import MLP
from mnistkit.training import History, OneCycle
from mnistkit.types import Batch, StepOutput


def data() -> None:
    splits = load_mnist(validation=1000)
    assert_type(splits, Splits)
    train, validation, test = splits
    assert_type(train, DigitDataset)
    assert_type(splits.validation, DigitDataset)
    assert_type(train[0], tuple[Tensor, int])
    assert_type(train[:100], DigitDataset)
    assert_type(train[np.array([1, 2])], DigitDataset)
    assert_type(train.only(3, 8).take_per_class(5).crop(20), DigitDataset)
    for image, label in test:
        assert_type(image, Tensor)
        assert_type(label, int)
    for batch in TensorLoader(validation, 64):
        assert_type(batch, Batch)
        assert_type(batch.labels, Tensor)


def models() -> None:
    assert_type(create_model("lenet5", activation="tanh"), nn.Module)
    assert_type(list_models("lenet*"), list[str])
    assert_type(lenet5(activation="tanh", pool="avg"), LeNet)
    assert_type(mlp(hidden=(25, 15)), MLP)
    assert_type(resolve_device("auto"), torch.device)


def own_model() -> None:
    @register_model
    def own(*, width: int = 32, name: str = "own") -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))

    assert_type(own(width=8), nn.Sequential)
    assert_type(own(width=8, name="narrow")[0], nn.Module)


class Watch(Callback):
    def on_epoch_end(self, trainer: Trainer) -> None:
        assert_type(trainer.state.metrics, dict[str, float])
        trainer.stop("seen enough")


class Adversarial(Trainer):
    def training_step(self, batch: Batch) -> StepOutput:
        images = batch.images.clone().requires_grad_()
        return super().training_step(Batch(images, batch.labels))

    def learning_rate(self, step: int, total: int) -> float | None:
        return 0.1 * (1 - step / total)


def training() -> None:
    train, validation, test = load_mnist()
    trainer = Trainer(
        create_model("lenet5"),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lr=OneCycle(0.01),
        augment=Augment(rotate=10),
        callbacks=[Checkpoint(Path("runs") / "typed"), EarlyStopping(patience=3), Watch()],
        precision="bf16",
    )
    history = trainer.fit(train, validation, epochs=2, resume="runs/typed/last.safetensors")
    assert_type(history, History)
    assert_type(history["val_accuracy"], list[float])
    assert_type(history.last, dict[str, float])
    result = trainer.evaluate(test)
    assert_type(result, Evaluation)
    assert_type(result.accuracy, float)
    assert_type(result.score, Proportion | None)
    loader = torch.utils.data.DataLoader(train, batch_size=64)
    assert_type(Adversarial(create_model("mlp"), lr=0.1).fit(loader), History)


def predicting(file: Path, array: np.ndarray, tensor: Tensor) -> None:
    assert_type(load_model(file, device="cpu"), nn.Module)
    predictor = Predictor.from_checkpoint(file)
    assert_type(predictor, Predictor)
    assert_type(predictor.predict("seven.png"), Prediction)
    assert_type(predictor.predict(file), Prediction)
    assert_type(predictor.predict(file.read_bytes()), Prediction)
    with file.open("rb") as stream:
        assert_type(predictor.predict(stream), Prediction)
    assert_type(predictor.predict({"image": file.read_bytes()}), Prediction)
    assert_type(predictor.predict(bytearray(file.read_bytes())), Prediction)
    assert_type(predictor.predict(["seven.png", array, tensor]), list[Prediction])
    assert_type(predictor.predict([file]), list[Prediction])
    assert_type(predictor.predict(array), Prediction | list[Prediction])
    assert_type(predictor.predict(tensor), Prediction | list[Prediction])
    assert_type(predictor.predict(file).label, int)
    assert_type(predictor.predict(file).top(2), list[tuple[str, float]])
