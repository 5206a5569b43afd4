"""The trainer: what a method changes, and what a program calls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Generic, Literal, cast, final

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import TypeVar  # typing's own has no default= before Python 3.13

from mnistkit._core import html
from mnistkit.classifier import Classifier
from mnistkit.data import Augmentation, refuse_test_images
from mnistkit.device import resolve_device
from mnistkit.distributed import TIMEOUT, World
from mnistkit.errors import ConfigError, NonFiniteLossError
from mnistkit.metrics import Evaluation, Metric, MetricSums
from mnistkit.models.network import evaluating, keeping_buffers
from mnistkit.precision import Precision, PrecisionName
from mnistkit.seeding import derive_seed, keeping_generators, seed_generators
from mnistkit.training import snapshot
from mnistkit.training.batches import images_and_labels, labels_of, size_of
from mnistkit.training.callback import Callback
from mnistkit.training.description import describe
from mnistkit.training.hooks import Hooks
from mnistkit.training.loading import (
    DEFAULT_BATCH,
    Batches,
    Data,
    as_data,
    classes_of,
    highest_label,
    make_loader,
    refuse_unused,
)
from mnistkit.training.losses import (
    Loss,
    classification_loss,
    compute_loss,
    is_cross_entropy,
    place_loss,
    require_logits,
    require_loss,
)
from mnistkit.training.normalisation import require_one_normalisation
from mnistkit.training.optimizers import (
    OptimizerFactory,
    OptimizerName,
    call_factory,
    make_optimizer,
    require_optimizer,
)
from mnistkit.training.own_hooks import OwnHooks
from mnistkit.training.preconditions import (
    require_augmentation,
    require_callbacks,
    require_model,
    require_trainable,
)
from mnistkit.training.progress import ProgressBar
from mnistkit.training.run import Run
from mnistkit.training.schedules import Schedule, as_schedules
from mnistkit.training.state import History, TrainState, count_steps
from mnistkit.training.steps import as_output, forward
from mnistkit.training.torch_scheduler import SchedulerFactory, TorchScheduler, is_scheduler
from mnistkit.types import Batch, JsonValue, PathLike, StepOutput, refuse_reserved

__all__ = ["Trainer"]

M_co = TypeVar("M_co", bound=nn.Module, default=nn.Module, covariant=True)


class Trainer(OwnHooks, Generic[M_co]):
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
    :meth:`optimizer_step`, :meth:`configure_optimizer`, :meth:`learning_rate`, every hook (the trainer's own come before
    those of its callbacks), :meth:`state_dict` and :meth:`load_state_dict`. The rest is closed. A name that is misspelt,
    or closed, raises when the class is defined.

    ``fit`` seeds torch's generators anew each epoch, from ``seed``: a run can be repeated, and resumed exactly. When it
    ends, the generators are as it found them. ``evaluate`` has random numbers of its own, so that it changes no training.

    ``Trainer[MyModel]`` says what ``self.model`` is; a plain ``Trainer`` has any module.

    Args:
        model: any module from images to logits.
        optimizer: a name (see :func:`~mnistkit.training.list_optimizers`), a function from the parameters to an
            optimizer, or an optimizer.
        optimizer_options: further arguments of an optimizer by name: ``{"momentum": 0.9}``.
        lr: the learning rate: a number or a schedule; one for each of several optimizers, by name; or one of torch's own
            schedulers, or a function from the optimizer to one (see :class:`~mnistkit.training.TorchScheduler`). By
            default the optimizer's own, 0.001 for one by name. A parameter group with an ``"lr_scale"`` gets that
            multiple of it.
        loss: from logits and labels to the mean loss; by default cross-entropy, of labels or of probabilities. A module
            moves to the device with the model.
        metrics: further figures, by name, of training and evaluation: functions of logits and labels to the mean over
            the images (see :data:`~mnistkit.metrics.Metric`). They are in the history, the bar, logs and monitors.
        callbacks: see ``mnistkit.callbacks``; called in this order.
        batch_size: images in a batch, on each process, of a data set; 64 by default.
        augment: changes the training images of a :class:`~mnistkit.DigitDataset`, such as
            :class:`mnistkit.Augment`.
        accumulate: batches in one update.
        clip_norm: largest norm of all gradients together; ``None`` for no limit.
        precision: ``"fp32"``, ``"bf16"``, ``"fp16"`` (GPU only) or ``"auto"``, the fastest for this model here (see
            :meth:`mnistkit.precision.Precision.fastest`); a resumed run keeps the one that it began with. Steps run under
            autocast.
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
        description: what makes this run, as JSON; a run that is resumed must have the same.
        train_data: what ``fit`` trains on; arrays and subsets of a data set have become a data set.
        validation_data: likewise, what it validates on.

    Raises:
        ConfigError: for arguments that cannot be used.
        DuplicateCallbackError: if two callbacks have one name.
    """

    def __init__(
        self,
        model: M_co,
        *,
        optimizer: OptimizerName | OptimizerFactory | torch.optim.Optimizer = "adam",
        optimizer_options: Mapping[str, object] | None = None,
        lr: float | Schedule | Mapping[str, float | Schedule] | LRScheduler | SchedulerFactory | None = None,
        loss: Loss | None = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        batch_size: int | None = None,
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
        require_model(model)
        require_optimizer(optimizer, optimizer_options or {})
        require_augmentation(augment)
        refuse_reserved(metrics or {})
        if loss is not None:
            require_loss(loss)
        self.model = model
        self.inference_model: nn.Module = model
        self.device = resolve_device(device)
        fastest = Precision.fastest(model, self.device) if precision == "auto" else None
        self.precision = fastest or Precision(cast("PrecisionName", precision), self.device)
        self.callbacks = list(callbacks)
        if is_scheduler(lr):
            self.callbacks.append(TorchScheduler(cast("LRScheduler | SchedulerFactory", lr)))
            lr = None
        if progress and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            self.callbacks.append(ProgressBar())
        self.lr = as_schedules(cast("float | Schedule | Mapping[str, float | Schedule] | None", lr))
        self.metrics = dict(metrics or {})
        self.batch_size = DEFAULT_BATCH if batch_size is None else batch_size
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
        self.state = TrainState()
        self.description: dict[str, JsonValue] = {}
        require_callbacks(self.callbacks)
        # Mangled, and so are no names that a subclass could take by chance.
        self.__optimizer = optimizer
        self.__optimizer_options = dict(optimizer_options or {})
        self.__batch_size = batch_size
        self.__loss = loss or classification_loss
        self.__run: Run | None = None

    # ---- open: what a step computes -------------------------------------------------------------------------------

    def training_step(self, batch: Batch) -> StepOutput:
        """The loss of one training batch; by default of the model's logits.

        Args:
            batch: what the loader gave, on the device: a :class:`~mnistkit.types.Batch` of a data set or of pairs, else
                whatever nesting of tuples, lists, dicts and tensors it is.
        """
        images, labels = images_and_labels(batch)
        logits = forward(self.model, images)
        if self.state.step == 0:
            require_logits(logits, self.__loss, classes_of(self.train_data))
        return StepOutput(self.loss(logits.float(), labels), logits)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch, in training and evaluation; by default the ``loss`` argument."""
        return compute_loss(self.__loss, logits, labels)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        """The loss of one evaluation batch; called without gradients, in eval mode, for ``inference_model``."""
        images, labels = images_and_labels(batch)
        logits = forward(self.inference_model, images)
        return StepOutput(self.loss(logits.float(), labels), logits)

    def backward(self, loss: Tensor, parameters: Sequence[nn.Parameter] | None = None) -> None:
        """Back-propagate a loss.

        Args:
            loss: scalar.
            parameters: which get gradients: with several optimizers, those of the optimizers concerned. ``None`` is all.
        """
        self.precision.backward(loss, parameters)

    def optimizer_step(self) -> None:
        """Update the parameters from complete gradients; by default with every optimizer still due."""
        _running(self.__run).updates.step()

    def configure_optimizer(self) -> torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer]:
        """The optimizer, or several by name; called by ``fit`` with model and state (``total_steps``) in place."""
        if isinstance(self.__optimizer, torch.optim.Optimizer):
            return self.__optimizer
        if isinstance(self.__optimizer, str):
            return make_optimizer(self.__optimizer, self.model.parameters(), options=self.__optimizer_options)
        return call_factory(self.__optimizer, self.model)

    def learning_rate(self, step: int, total: int) -> float | Mapping[str, float] | None:
        """The learning rate of a step, or one for each optimizer; ``None`` leaves the optimizers their own."""
        if isinstance(self.lr, dict):
            return {name: schedule(step, total) for name, schedule in self.lr.items()}
        return None if self.lr is None else self.lr(step, total)

    # ---- closed: the loop -----------------------------------------------------------------------------------------

    @final
    def fit(
        self,
        train: Data,
        validation: Data | None = None,
        *,
        epochs: float | None = None,
        steps: int | None = None,
        resume: PathLike | None = None,
    ) -> History:
        """Train.

        Args:
            train: a data set (of mnistkit's or torch's), arrays ``(images, labels)``, a table with pixels in columns, or
                any loader of batches: see the page on training.
            validation: the same; evaluated after each epoch. Never test images.
            epochs: how many in all, those before a resume included; 10 by default. Of 1.5 the second is half an epoch,
                rounded to whole updates; it ends, and is evaluated, like any other.
            steps: how many updates in all, instead.
            resume: a training checkpoint of the same run; training goes on exactly where it was written.

        Returns:
            A row for each epoch.

        Raises:
            SplitLeakError: if test images are among the data.
            DataError: for data that is empty, does not fit the model, or is from 0 to 1 in part and normalised in part.
            ConfigError: for a number of epochs or steps that is not positive, settings that the data would leave without
                effect, an optimizer that would train nothing, or parameters that require a gradient and are in none.
            NonFiniteLossError: if the loss becomes NaN or infinite.
            CheckpointError: if ``resume`` cannot be read, or is of another run.
            ProcessGroupError: if another process of several died, or was silent for longer than ``timeout``.
            KeyboardInterrupt: on Ctrl-C, after the step under way has ended and the callbacks could save; a second
                Ctrl-C raises at once.
            SystemExit: likewise on SIGTERM (143) and SIGHUP (129), by which clusters and closed terminals end a program.
        """
        with keeping_generators(self.device), World.joined(self.device, self.timeout) as self.world:
            loader, validation_loader = self.__place(train, validation)
            in_epoch = math.ceil(self.world.min(len(loader)) / self.accumulate)
            sums = self.__sums(self.train_data)
            self.state = TrainState(count_steps(epochs, steps, in_epoch), in_epoch, sums)
            configured = self.configure_optimizer()
            self.optimizers = dict(configured) if isinstance(configured, Mapping) else {"optimizer": configured}
            require_trainable(self.model, self.optimizers, vars(self))
            self.description = describe(self, self.__loss)
            saved = None if resume is None else snapshot.restore(self, resume)
            self.__run = Run(self, loader, validation_loader)
            try:
                self.__run.execute(saved)
            finally:
                self.model.eval()
                self.state.seconds_before, self.__run = self.seconds, None
            # The files that rank 0 wrote are complete for whoever reads them next.
            self.world.barrier()
        return self.state.history

    def __place(self, train: Data, validation: Data | None) -> tuple[Batches, Batches | None]:
        """Model, loss and data on the device, and the same weights in every process."""
        train = as_data(train)
        validation = None if validation is None else as_data(validation, like=train)
        refuse_test_images(train, "training")
        refuse_test_images(validation, "validation")
        require_one_normalisation(train, validation)
        refuse_unused(train, self.__batch_size, self.augment)
        require_callbacks(self.callbacks)
        self.train_data, self.validation_data = train, validation
        self.inference_model = self.model.to(self.device).train()
        self.__loss = place_loss(self.__loss, self.device)
        self.world.broadcast(itertools.chain(self.model.parameters(), self.model.buffers()))
        loader = make_loader(
            train,
            batch_size=self.batch_size,
            shuffle=True,
            seed=self.seed,
            augment=self.augment,
            device=self.device,
            world=self.world,
        )
        return loader, None if validation is None else make_loader(validation, device=self.device, world=self.world)

    def __sums(self, data: object) -> MetricSums:
        soft, highest = is_cross_entropy(self.__loss), highest_label(data)
        return MetricSums(self.device, self.metrics, soft=soft, highest=highest)

    @final
    def evaluate(self, data: Data) -> Evaluation:
        """The loss and accuracy of ``inference_model``, with every module's mode and torch's generators left as they were.

        Args:
            data: what ``fit`` takes too.

        Raises:
            DataError: for data that is empty or does not fit the model.
            ProcessGroupError: if another process of several died, or was silent for longer than ``timeout``.
        """
        with World.joined(self.device, self.timeout) as self.world:
            model = self.inference_model.to(self.device)
            self.__loss = place_loss(self.__loss, self.device)
            data = as_data(data, like=self.train_data)
            if self.__run is None:  # fit looked at its own
                require_one_normalisation(self.train_data, data)
            loader = make_loader(data, device=self.device, world=self.world)
            hooks = Hooks(self)
            sums = self.__sums(data)
            hooks.call("on_eval_start")
            # Not inference mode: a subclass may want gradients of the images, to attack or to explain. All buffers are kept,
            # batch norm's too, for those of rank 0 take their place.
            with evaluating(model), keeping_buffers(model.modules()), torch.no_grad(), keeping_generators(self.device):
                seed_generators(derive_seed(self.seed, "evaluation", self.world.rank), self.device)
                self.world.broadcast(model.buffers())
                for batch in loader.batches():
                    with self.precision.autocast():
                        output = as_output(self.evaluation_step(batch), "evaluation_step")
                    sums.update(output, labels_of(batch), size_of(batch))
            sums.merge(self.world)
            self.evaluation = sums.compute()
            hooks.call("on_eval_end")
        return self.evaluation

    @final
    def stop(self, reason: str) -> None:
        """End training after the step under way; with several processes, on every rank at the same step."""
        self.state.stop_reason = self.state.stop_reason or reason

    @final
    def log(self, figures: Mapping[str, Tensor | float]) -> None:
        """Have figures counted like the metrics of a step, from a step or a hook: as ``train_...`` in history, bar and logs.

        In an update they are that update's, and the epoch has the mean over the images of those updates that logged them. After
        an epoch's last update, while it is evaluated and in ``on_epoch_end``, they are that epoch's own figures; with several
        processes all must log them then, and the mean is taken.

        Args:
            figures: numbers by name: ``{"gradient_norm": norm}``.

        Raises:
            ConfigError: for the names ``loss`` and ``accuracy``, outside ``fit``, and where no update and no epoch is that the
                figures could be of, as in ``on_fit_start``.
        """
        refuse_reserved(figures)
        _running(self.__run).log(figures)

    @final
    def gradients(self) -> float:
        """Compute this step's gradients again, with the weights as they are now: for an :meth:`optimizer_step`.

        Clears the gradients; then, for each batch of the step, ``training_step`` and ``backward``; averages them over the
        processes, unscales and clips them. What the steps return is not counted a second time.

        Returns:
            The loss; over all processes, so that each decides alike.

        Raises:
            ConfigError: if the step steps an optimizer itself, or outside ``fit``.
        """
        return _running(self.__run).gradients()

    @final
    def step_optimizer(self, name: str, loss: Tensor) -> None:
        """Make a whole update of one optimizer inside :meth:`training_step`: a GAN's discriminator, say.

        Back-propagates the loss, into that optimizer's parameters only; averages the gradients over the processes and
        unscales them; ``on_gradients``; clips, steps, and clears them. The rest of the step leaves this optimizer alone.

        Args:
            name: in ``optimizers``.
            loss: scalar.

        Raises:
            ConfigError: for an unknown name, with ``accumulate`` (the update would come once for each batch), or for a
                loss that no parameter of the optimizer has a part in.
        """
        _running(self.__run).step_optimizer(name, loss)

    @final
    def skip(self, name: str) -> None:
        """Leave one optimizer alone in this step: no gradients for its parameters, no update, no change of its state.

        Raises:
            ConfigError: for an unknown name.
        """
        _running(self.__run).updates.skip(name)

    @final
    def classifier(self) -> Classifier:
        """What was trained, as a value that further training does not change: a copy, with data, figures and settings.

        Raises:
            ConfigError: after training on a loader, which does not say how images are prepared, and for several networks.
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

        Several processes call it all, each with a state of its own to give; rank 0 writes.

        Raises:
            CheckpointError: for a state that no file can hold.
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
        """The first optimizer, which is usually the only one.

        Raises:
            ConfigError: before the first ``fit``, which makes it.
        """
        if not self.optimizers:
            raise ConfigError("there is no optimizer yet: fit() makes it, with the model in place")
        return next(iter(self.optimizers.values()))

    def _repr_html_(self) -> str:
        state, model = self.state, self.model
        known = {
            "model": f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters",
            "optimizer": ", ".join(type(one).__name__ for one in self.optimizers.values()),
            "batch": f"{self.batch_size * self.accumulate:,} images",
            "on": f"{self.device}, {self.precision.name}",
            "trained": f"{state.epoch:,} of {state.epochs:,} epochs in {self.seconds:.0f} s"
            if state.step
            else "not yet",
            "ended early": state.stop_reason,
        }
        history = state.history._repr_html_() if len(state.history) else ""
        return html.panel(type(self).__name__, html.facts(known), history)

    @property
    def seconds(self) -> float:
        """How long ``fit`` has run, in seconds, the time before a resume included."""
        return self.state.seconds_before + (0.0 if self.__run is None else self.__run.seconds)


def _running(run: Run | None) -> Run:
    if run is None:
        raise ConfigError("no run is under way: call this from a method of a Trainer subclass that fit() calls")
    return run
