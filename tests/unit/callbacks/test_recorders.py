"""Kernels and figures between the epochs."""

import pytest
import torch

from mnistkit import Trainer, create_model
from mnistkit.callbacks import KernelRecorder, PeriodicEvaluation
from mnistkit.errors import ConfigError
from mnistkit.training import Callback
from mnistkit.types import StepOutput


@pytest.fixture
def data(small):
    return small.train.take_per_class(5), small.validation.take_per_class(2)


def fit(data, *callbacks, kind=Trainer, model="lenet1", epochs=2, **options):
    torch.manual_seed(0)
    trainer = kind(create_model(model), callbacks=callbacks, batch_size=10, progress=False)
    trainer.fit(*data, epochs=epochs, **options)
    return trainer


class Save(Callback):
    def __init__(self, path, step):
        self.path, self.step = path, step

    def on_checkpoint(self, trainer):
        if trainer.state.step == self.step and trainer.state.batch:
            trainer.save_checkpoint(self.path)


def test_kernels_are_copied_before_the_first_step_and_every_so_many(data):
    weights = []

    class Look(Callback):
        def on_fit_start(self, trainer):
            weights.append(trainer.model.conv[0].weight.detach().clone())

        def on_step_end(self, trainer):
            weights.append(trainer.model.conv[0].weight.detach().clone())

    recorder = KernelRecorder("conv.0", every=3)
    trainer = fit(data, recorder, Look())
    assert recorder.steps == [0, 3, 6, 9]
    assert {kernel.shape for kernel in recorder.kernels} == {trainer.model.conv[0].weight.shape}
    for step, kernel in zip(recorder.steps, recorder.kernels, strict=True):
        assert torch.equal(kernel, weights[step])
        assert not kernel.requires_grad
    assert not torch.equal(recorder.kernels[0], recorder.kernels[1])


def test_the_weights_of_a_dense_layer_can_be_recorded_too(data):
    recorder = KernelRecorder("layers.0", every=5)
    fit(data, recorder, model="mlp")
    assert [kernel.shape for kernel in recorder.kernels] == [(25, 784)] * 3


def test_an_unknown_layer_is_refused_with_those_that_have_weights(data):
    with pytest.raises(
        ConfigError,
        match=r"unknown layer with weights 'conv\.1'.* did you mean 'conv\.3'\? Available: conv\.0, conv\.3, fc\.0",
    ):
        fit(data, KernelRecorder("conv.1"))


@pytest.mark.parametrize(
    "kind", [lambda every: KernelRecorder("conv.0", every=every), lambda every: PeriodicEvaluation(every=every)]
)
def test_no_steps_between_two_records_are_refused(kind):
    with pytest.raises(ConfigError, match="every is 0, expected at least 1"):
        kind(0)


def test_a_resumed_recorder_has_every_copy_once(tmp_path, data):
    path = tmp_path / "run.safetensors"
    whole = KernelRecorder("conv.0", every=2)
    fit(data, whole, Save(path, 6))
    resumed = KernelRecorder("conv.0", every=2)
    fit(data, resumed, Save(path, 6), resume=path)
    assert resumed.steps == whole.steps == [0, 2, 4, 6, 8, 10]
    assert all(torch.equal(a, b) for a, b in zip(whole.kernels, resumed.kernels, strict=True))


def test_a_second_fit_records_anew(data):
    recorder, evaluation = KernelRecorder("conv.0", every=4), PeriodicEvaluation(every=4)
    fit(data, recorder, evaluation)
    fit(data, recorder, evaluation, epochs=1)
    assert recorder.steps == [0, 4]
    assert evaluation.history["step"] == [4]


def test_validation_figures_come_with_the_training_figures_of_the_same_steps(data, at):
    losses, correct, validation = [], [], []

    class Recording(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            losses.append(output.loss.item())
            correct.append(int((output.logits.argmax(1) == batch.labels).sum()))
            return output

    look = at("on_eval_end", lambda t: validation.append((t.evaluation.loss, t.evaluation.accuracy)))
    periodic = PeriodicEvaluation(every=3)
    fit(data, periodic, look, kind=Recording)
    assert periodic.history.columns == ["step", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert periodic.history["step"] == [3, 6, 9]
    # Each row is about the steps since the one before, in the same epoch of five steps.
    groups = [slice(0, 3), slice(5, 6), slice(6, 9)]
    for row, group in zip(periodic.history, groups, strict=True):
        assert row["train_loss"] == pytest.approx(sum(losses[group]) / len(losses[group]))
        assert row["train_accuracy"] == pytest.approx(sum(correct[group]) / (10 * len(correct[group])))
    # The fourth and last of the epoch's own validations follows each epoch.
    del validation[1], validation[-1]
    assert list(zip(periodic.history["val_loss"], periodic.history["val_accuracy"], strict=True)) == validation


@pytest.mark.parametrize("step", [2, 3, 4, 8])
def test_resumed_figures_are_those_of_a_run_that_was_not_interrupted(tmp_path, data, step):
    path = tmp_path / "run.safetensors"
    whole = PeriodicEvaluation(every=3)
    fit(data, whole, Save(path, step))
    resumed = PeriodicEvaluation(every=3)
    fit(data, resumed, Save(path, step), resume=path)
    assert resumed.history == whole.history


def test_a_step_without_logits_has_a_loss_alone(data):
    class LossOnly(Trainer):
        def training_step(self, batch):
            return StepOutput(super().training_step(batch).loss)

    periodic = PeriodicEvaluation(every=5)
    fit(data, periodic, kind=LossOnly)
    assert periodic.history.columns == ["step", "train_loss", "val_loss", "val_accuracy"]


def test_further_metrics_are_there_of_training_and_of_validation(data):
    class Measuring(Trainer):
        def training_step(self, batch):
            output = super().training_step(batch)
            return StepOutput(output.loss, output.logits, {"step": torch.tensor(float(self.state.step))})

        def evaluation_step(self, batch):
            output = super().evaluation_step(batch)
            return StepOutput(output.loss, output.logits, {"step": torch.tensor(-1.0)})

    periodic = PeriodicEvaluation(every=2)
    fit(data, periodic, kind=Measuring, epochs=1)
    assert periodic.history["train_step"] == [0.5, 2.5]
    assert periodic.history["val_step"] == [-1.0, -1.0]


def test_validation_figures_need_validation_data(data):
    with pytest.raises(ConfigError, match=r"PeriodicEvaluation needs validation data: fit\(train, validation\)"):
        fit(data[:1], PeriodicEvaluation())
