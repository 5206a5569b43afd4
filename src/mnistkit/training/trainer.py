"""The training loop."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias, cast, final

import torch
from torch import Tensor, nn

from mnistkit.classifier import Classifier
from mnistkit.data import Augmentation, refuse_test_images
from mnistkit.device import resolve_device
from mnistkit.distributed import TIMEOUT, World
from mnistkit.errors import ConfigError, NonFiniteLossError
from mnistkit.forward import evaluating
from mnistkit.metrics import Evaluation, MetricSums
from mnistkit.precision import Precision, PrecisionName
from mnistkit.seeding import derive_seed
from mnistkit.training import snapshot
from mnistkit.training.callback import Callback
from mnistkit.training.checks import classification_loss
from mnistkit.training.hooks import Hooks
from mnistkit.training.interrupt import InterruptGuard
from mnistkit.training.loading import EVALUATION_BATCH, Batches, Data, make_loader
from mnistkit.training.optimizers import OptimizerFactory, make_optimizer
from mnistkit.training.progress import ProgressBar
from mnistkit.training.schedules import Constant, Schedule
from mnistkit.training.state import History, TrainState
from mnistkit.training.updates import Updates
from mnistkit.types import Batch, PathLike, StepOutput

__all__ = ["Data", "Loss", "Trainer"]

#: From logits and labels to a scalar, the mean over the batch.
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

# Without a GPU looking at the loss costs nothing; with one it means waiting for it.
_STEPS_BETWEEN_LOOKS = 50


class Trainer:
    """Trains a model; subclass it and override an open method to train in another way.

    The loop, with every hook in its place::

        fit(train, validation):
            place the model, configure_optimizer(), resume if asked to
            on_fit_start
            for each epoch:
                on_epoch_start
                for each group of `accumulate` batches:
                    on_step_start
                    learning_rate(step, total)
                    for each batch: training_step(batch), backward(loss / size of the group)
                    average gradients over the processes, unscale them
                    on_gradients
                    clip
                    optimizer_step()
                    on_step_end
                    on_checkpoint
                if validation: evaluate(validation):
                    on_eval_start
                    for each batch: evaluation_step(batch)
                    on_eval_end
                on_epoch_end
                on_checkpoint
            on_exception, if anything was raised
            on_fit_end, in reverse order

    Open to override: :meth:`training_step`, :meth:`loss`, :meth:`evaluation_step`, :meth:`backward`,
    :meth:`optimizer_step`, :meth:`configure_optimizer`, :meth:`learning_rate`. The rest is closed.

    ``fit`` seeds torch's generators anew each epoch, from ``seed``: a run can be repeated, and resumed exactly.

    Args:
        model: any module from images to logits.
        optimizer: a name (see :func:`~mnistkit.training.list_optimizers`), a function from the parameters to an
            optimizer, or an optimizer.
        lr: the learning rate: a number or a schedule. By default the optimizer's own, 0.001 for one by name. A parameter
            group with an ``"lr_scale"`` gets that multiple of it.
        loss: from logits and labels to the mean loss; by default cross-entropy.
        callbacks: see ``mnistkit.callbacks``; called in this order.
        batch_size: images in a batch, on each process, of a :class:`~mnistkit.DigitDataset`.
        augment: changes the training images of a :class:`~mnistkit.DigitDataset`, such as
            :class:`mnistkit.Augment`.
        accumulate: batches in one update.
        clip_norm: largest norm of all gradients together; ``None`` for no limit.
        precision: ``"fp32"``, ``"bf16"``, ``"fp16"`` (GPU only) or ``"auto"``, the fastest for this model here (see
            :meth:`mnistkit.precision.Precision.fastest`); a resumed run keeps the one that it began with.
        device: see :func:`mnistkit.resolve_device`.
        seed: of the order of the images, the augmentation and dropout.
        progress: whether to show progress on standard error.
        timeout: with several processes, the seconds that one waits inside a run for another that is busy, in a callback
            say, before it gives it up for lost.

    Attributes:
        model: what is trained.
        inference_model: what is evaluated and saved for use: the model, unless a callback such as EMA puts another here.
        optimizers: by name; ``"optimizer"`` unless :meth:`configure_optimizer` names several.
        state: the counters and figures of the run.
        evaluation: the result of the last evaluation.
        train_data: what ``fit`` was given to train on.
        validation_data: what it was given to validate on.

    Raises:
        ConfigError: for arguments that cannot be used.
        DuplicateCallbackError: if two callbacks have one name.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: str | OptimizerFactory | torch.optim.Optimizer = "adam",
        lr: float | Schedule | None = None,
        loss: Loss | None = None,
        callbacks: Sequence[Callback] = (),
        batch_size: int = 64,
        augment: Augmentation | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        precision: PrecisionName | Literal["auto"] = "fp32",
        device: str | torch.device = "auto",
        seed: int = 0,
        progress: bool = True,
        timeout: float = TIMEOUT,
    ) -> None:
        if accumulate < 1:
            raise ConfigError(f"accumulate is {accumulate}, expected at least 1")
        if clip_norm is not None and not clip_norm > 0:
            raise ConfigError(f"clip_norm is {clip_norm}, expected a positive number or None")
        self.model = model
        self.inference_model = model
        self.device = resolve_device(device)
        fastest = Precision.fastest(model, self.device) if precision == "auto" else None
        self.precision = fastest or Precision(cast("PrecisionName", precision), self.device)
        self.callbacks = list(callbacks)
        if progress and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            self.callbacks.append(ProgressBar())
        self.batch_size = batch_size
        self.augment = augment
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.seed = seed
        self.timeout = timeout
        self.world = World()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.evaluation: Evaluation | None = None
        self.train_data: Data | None = None
        self.validation_data: Data | None = None
        self.state = TrainState(0, 1, MetricSums(self.device))
        self._hooks = Hooks(self.callbacks)
        self._updates = Updates({}, self.precision, self.world, clip_norm)
        self._optimizer = optimizer
        self.schedule = Constant(lr) if isinstance(lr, (int, float)) else lr
        self._loss = loss or classification_loss
        self._started: float | None = None

    # ---- open: what a step computes -------------------------------------------------------------------------------

    def training_step(self, batch: Batch) -> StepOutput:
        """The loss of one training batch; by default of the model's logits."""
        with self.precision.autocast():
            logits = self.model(batch.images)
        return StepOutput(self.loss(logits.float(), batch.labels), logits)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch, in training and evaluation; by default the ``loss`` argument."""
        return self._loss(logits, labels)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        """The loss of one evaluation batch; called without gradients, in eval mode, for ``inference_model``."""
        with self.precision.autocast():
            logits = self.inference_model(batch.images)
        return StepOutput(self.loss(logits.float(), batch.labels), logits)

    def backward(self, loss: Tensor) -> None:
        """Back-propagate a loss."""
        self.precision.backward(loss)

    def optimizer_step(self) -> None:
        """Update the parameters from complete gradients; by default with every optimizer still due."""
        self._updates.step()

    def configure_optimizer(self) -> torch.optim.Optimizer | dict[str, torch.optim.Optimizer]:
        """The optimizer, or several by name; called by ``fit`` with the model in place."""
        if isinstance(self._optimizer, torch.optim.Optimizer):
            return self._optimizer
        if isinstance(self._optimizer, str):
            return make_optimizer(self._optimizer, self.model.parameters(), lr=1e-3)
        return self._optimizer(self.model.parameters())

    def learning_rate(self, step: int, total: int) -> float | None:
        """The learning rate of a step; ``None`` leaves the optimizers their own."""
        return None if self.schedule is None else self.schedule(step, total)

    # ---- closed: the loop -----------------------------------------------------------------------------------------

    @final
    def fit(
        self, train: Data, validation: Data | None = None, *, epochs: float = 10, resume: PathLike | None = None
    ) -> History:
        """Train.

        Args:
            train: a data set, or any loader of ``(normalised float images, integer labels)``.
            validation: the same; evaluated after each epoch. Never test images.
            epochs: how many in all, those before a resume included. Of 1.5 the second is half an epoch, rounded to whole
                updates; it ends, and is evaluated, like any other.
            resume: a training checkpoint of the same run; training goes on exactly where it was written.

        Returns:
            A row for each epoch.

        Raises:
            SplitLeakError: if test images are among the data.
            DataError: for data that is empty or does not fit the model.
            NonFiniteLossError: if the loss becomes NaN or infinite.
            CheckpointError: if ``resume`` cannot be read, or is of another run.
            ProcessGroupError: if another process of several died, or was silent for longer than ``timeout``.
            KeyboardInterrupt: on Ctrl-C, after the step under way has ended and the callbacks could save; a second
                Ctrl-C raises at once.
            SystemExit: likewise on SIGTERM (143) and SIGHUP (129), by which clusters and closed terminals end a program.
        """
        with World.joined(self.device, self.timeout) as self.world:
            loader, validation_loader = self._set_up(train, validation, epochs)
            generators = snapshot.restore(self, resume) if resume is not None else None
            self._started = time.monotonic()
            try:
                with InterruptGuard(enabled=self.world.size == 1) as interrupt, self._hooks.running(self):
                    self._train(loader, validation_loader, generators, interrupt)
            finally:
                self.model.eval()
                self.state.seconds_before, self._started = self.seconds, None
            # The files that rank 0 wrote are complete for whoever reads them next.
            self.world.barrier()
        return self.state.history

    def _train(
        self,
        loader: Batches,
        validation: Batches | None,
        generators: snapshot.Generators | None,
        interrupt: InterruptGuard,
    ) -> None:
        state = self.state
        while state.epoch < state.epochs and not state.is_stopping():
            if state.batch == 0:
                state.sums = MetricSums(self.device)
                self._seed()
                self._call("on_epoch_start")
            batches = self._batches(loader, generators)
            generators = None
            while group := list(itertools.islice(batches, self.accumulate)):
                self._call("on_step_start")
                self._updates.begin(self.learning_rate(state.step, state.total_steps))
                state.lr = self._updates.lr
                for batch in group:
                    output = self.training_step(batch)
                    self._add_up(output, batch)
                    # Dividing by one would be two operations in vain, here and on the way back.
                    self.backward(output.loss if len(group) == 1 else output.loss / len(group))
                self._updates.complete()
                self._call("on_gradients")
                self._updates.clip()
                self.optimizer_step()
                self.precision.update()
                state.step += 1
                state.batch += len(group)
                self._call("on_step_end")
                if interrupt.requested:
                    self.stop("interrupted")
                self._call("on_checkpoint")
                if state.is_stopping():
                    break
            else:
                self._end_epoch(validation)
                self._call("on_epoch_end")
                if interrupt.requested:
                    self.stop("interrupted")
                self._call("on_checkpoint")
        self._share_buffers()
        if interrupt.requested:
            interrupt.end()

    @final
    def evaluate(self, data: Data) -> Evaluation:
        """The loss and accuracy of ``inference_model``, with every module's mode left as it was.

        Args:
            data: a data set, or any loader of ``(normalised float images, integer labels)``.

        Raises:
            DataError: for data that is empty or does not fit the model.
            ProcessGroupError: if another process of several died, or was silent for longer than ``timeout``.
        """
        with World.joined(self.device, self.timeout) as self.world:
            model = self.inference_model.to(self.device)
            loader, sums = self._loader(data, training=False), MetricSums(self.device)
            self._call("on_eval_start")
            # Not inference mode: a subclass may want gradients of the images, to attack or to explain.
            with evaluating(model), torch.no_grad():
                self.world.broadcast(model.buffers())
                for batch in loader.batches():
                    sums.update(self.evaluation_step(batch), batch.labels)
            sums.merge(self.world)
            self.evaluation = sums.compute()
            self._call("on_eval_end")
            return self.evaluation

    @final
    def stop(self, reason: str) -> None:
        """End training after the step under way; with several processes, on every rank at the same step."""
        self.state.stop_reason = self.state.stop_reason or reason

    @final
    def update(self, name: str) -> None:
        """Complete the update of one optimizer inside :meth:`training_step`: a GAN's discriminator, say.

        Averages the gradients of its parameters over the processes, unscales and clips them, steps, and clears them;
        :meth:`optimizer_step` then leaves this optimizer alone.

        Raises:
            ConfigError: for an unknown name, or with ``accumulate``: the update would come once for each batch, with
                gradients in it that the batches before left behind.
        """
        if self.accumulate > 1:
            raise ConfigError(f"update({name!r}) inside a step of {self.accumulate} batches; it needs accumulate=1")
        self._updates.step_now(name)

    @final
    def classifier(self) -> Classifier:
        """What was trained, as a value that further training does not change: a copy, with data, figures and settings.

        Raises:
            ConfigError: after training on a loader, which does not say how images are prepared.
            NonFiniteLossError: for weights that are not finite.
        """
        return snapshot.classifier(self)

    @final
    def save_model(self, path: PathLike) -> None:
        """Write the model as evaluated, and all that is needed to use it; see :meth:`mnistkit.Predictor.from_checkpoint`.

        Raises:
            WriteError: if it cannot be written; an earlier file of that name is then intact.
        """
        snapshot.save_model(self, path)

    @final
    def save_checkpoint(self, path: PathLike) -> None:
        """Write the model and all that ``fit(resume=path)`` needs to go on; for a callback's ``on_checkpoint``.

        Raises:
            WriteError: if it cannot be written; an earlier file of that name is then intact.
        """
        snapshot.save_training(self, path)

    @final
    def require_finite(self) -> None:
        """Look at the losses of this epoch; before saving, so that no checkpoint holds weights spoilt by NaN.

        Raises:
            NonFiniteLossError: if one was NaN or infinite.
        """
        state = self.state
        if not state.sums.is_finite():
            raise NonFiniteLossError(
                f"the training loss became NaN or infinite at step {state.step + 1} (epoch {state.epoch + 1}) or just "
                f"before it, at learning rate {state.lr:g}; checkpoints hold the state before "
                "that. Lower lr=, set clip_norm=1.0, or look for bad values in the data"
            )

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The first optimizer, which is usually the only one."""
        return next(iter(self.optimizers.values()))

    @property
    def seconds(self) -> float:
        """How long ``fit`` has run, in seconds, the time before a resume included."""
        return self.state.seconds_before + (0.0 if self._started is None else time.monotonic() - self._started)

    # ---- the loop's parts -----------------------------------------------------------------------------------------

    def _call(self, hook: str) -> None:
        self._hooks.call(hook, self)

    def _set_up(self, train: Data, validation: Data | None, epochs: float) -> tuple[Batches, Batches | None]:
        refuse_test_images(train, "training")
        refuse_test_images(validation, "validation")
        if not 0 < epochs < math.inf:
            raise ConfigError(f"epochs is {epochs}, expected a positive number")
        self.model.to(self.device).train()
        self.inference_model = self.model
        self.world.broadcast(itertools.chain(self.model.parameters(), self.model.buffers()))
        loader = self._loader(train, training=True)
        configured = self.configure_optimizer()
        self.optimizers = {"optimizer": configured} if isinstance(configured, torch.optim.Optimizer) else configured
        self.train_data, self.validation_data = train, validation
        steps = math.ceil(self.world.min(len(loader)) / self.accumulate)
        self.state = TrainState(max(1, round(epochs * steps)), steps, MetricSums(self.device))
        self._hooks = Hooks(self.callbacks)
        self._updates = Updates(self.optimizers, self.precision, self.world, self.clip_norm)
        return loader, None if validation is None else self._loader(validation, training=False)

    def _loader(self, data: Data, *, training: bool) -> Batches:
        return make_loader(
            data,
            batch_size=self.batch_size if training else EVALUATION_BATCH,
            shuffle=training,
            seed=self.seed,
            augment=self.augment if training else None,
            device=self.device,
            world=self.world,
        )

    def _seed(self) -> None:
        torch.manual_seed(derive_seed(self.seed, "epoch", self.state.epoch, self.world.rank))

    def _batches(self, loader: Batches, generators: snapshot.Generators | None) -> Iterator[Batch]:
        """What is left of the epoch under way, with torch's generators as they were when it was interrupted."""
        state = self.state
        # Again, so that the order does not depend on what a callback drew: inside an epoch no on_epoch_start precedes.
        self._seed()
        batches = loader.batches(state.epoch, state.batch)
        if generators is not None and state.batch:
            snapshot.set_generators(generators, self.device)
        # Processes that took different numbers of steps would wait for each other for ever.
        number = min(self.world.min(len(loader)), state.steps_in_epoch * self.accumulate)
        return itertools.islice(batches, number - state.batch)

    def _add_up(self, output: StepOutput, batch: Batch) -> None:
        state = self.state
        state.sums.update(output, batch.labels)
        if self.device.type == "cpu" or state.step % _STEPS_BETWEEN_LOOKS == 0:
            self.require_finite()

    def _share_buffers(self) -> None:
        """Batch norm's statistics are each process's own while it trains; between epochs they are those of rank 0."""
        self.world.broadcast(itertools.chain(self.model.buffers(), self.inference_model.buffers()))

    def _end_epoch(self, validation: Batches | None) -> None:
        state = self.state
        self.require_finite()
        state.sums.merge(self.world)
        self._share_buffers()
        state.train = state.sums.compute()
        row: dict[str, float] = {"epoch": state.epoch + 1, "step": state.step, "lr": state.lr}
        row |= state.train.row("train")
        if validation is not None:
            state.validation = self.evaluate(validation)
            row |= state.validation.row("val")
        state.history.rows.append(row)
        state.epoch += 1
        state.batch = 0
