"""One run of a trainer: the loop, and what it needs only while it runs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mnistkit.errors import ConfigError
from mnistkit.models.network import require_forward
from mnistkit.seeding import derive_seed, seed_generators, set_generator_states
from mnistkit.training.batches import labels_of, size_of
from mnistkit.training.description import held_modules
from mnistkit.training.hooks import Hooks
from mnistkit.training.interrupt import InterruptGuard
from mnistkit.training.loading import Batches
from mnistkit.training.saved_state import TrainingState
from mnistkit.training.snapshot import require_held
from mnistkit.training.steps import as_output
from mnistkit.training.updates import Updates, parameters_of
from mnistkit.types import Batch, StepOutput

if TYPE_CHECKING:
    from mnistkit.training.trainer import Trainer

__all__ = ["Run"]

# Without a GPU looking at the loss costs nothing; with one it means waiting for it.
_STEPS_BETWEEN_LOOKS = 50


class Run:
    """From the first step of a :meth:`~mnistkit.Trainer.fit`, or the one at which it is resumed, to the last.

    Args:
        trainer: with model, state and optimizers in place.
        train: the batches to train on.
        validation: those to evaluate after each epoch.

    Attributes:
        updates: of the trainer's optimizers.
    """

    def __init__(self, trainer: Trainer, train: Batches, validation: Batches | None) -> None:
        self.updates = Updates(trainer.optimizers, trainer.precision, trainer.world, trainer.clip_norm)
        self._trainer = trainer
        self._train = train
        self._validation = validation
        self._hooks = Hooks(trainer)
        self._group: list[Batch] = []
        # The row of an epoch whose updates are done, until the next one begins.
        self._row: dict[str, float] | None = None
        # Parameters beside the model that no optimizer has, a teacher's, or such as were forgotten; each with its old gradient.
        self._untrained: dict[str, tuple[nn.Parameter, Tensor | None]] = {}
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._started

    def execute(self, saved: TrainingState | None) -> None:
        """Train, with the hooks of start and end around it.

        Args:
            saved: where the run that is resumed stood.

        Raises:
            CheckpointMismatchError: if the trainer holds a module with other weights than it had there.
            ConfigError: if the epochs could be trained but not evaluated.
        """
        with InterruptGuard() as interrupt, self._hooks.running():
            # Not earlier: a hook may have made a layer, restored a teacher, or put another network in the model's place.
            self._untrained = self._find_untrained()
            self._require_evaluation()
            if saved is not None:
                require_held(self._trainer, saved)
            self._loop(None if saved is None else saved.generators, interrupt)

    def _loop(self, generators: Mapping[str, Tensor] | None, interrupt: InterruptGuard) -> None:
        trainer, state, call = self._trainer, self._trainer.state, self._hooks.call
        while state.epoch < state.epochs and not state.is_stopping():
            if state.batch == 0:
                state.sums = state.sums.empty()
                self._group, self._row = [], None
                self._seed()
                call("on_epoch_start")
            batches = self._batches(generators)
            generators = None
            while group := list(itertools.islice(batches, trainer.accumulate)):
                self._group = group
                call("on_step_start")
                self._begin()
                for batch in group:
                    output = self._step(batch)
                    self._add_up(output, batch)
                    self._backward(output.loss)
                if state.step == 0:
                    self._refuse_gradients_in_vain()
                self.updates.complete()
                # There are none where the step has stepped or skipped every optimizer itself.
                if self.updates.due:
                    call("on_gradients")
                self.updates.clip()
                trainer.optimizer_step()
                trainer.precision.update()
                state.step += 1
                state.batch += len(group)
                call("on_step_end")
                if self._is_interrupted(interrupt):
                    trainer.stop("interrupted")
                call("on_checkpoint")
                if state.is_stopping():
                    break
            else:
                self._end_epoch()
                call("on_epoch_end")
                if interrupt.came(trainer.world):
                    trainer.stop("interrupted")
                call("on_checkpoint")
        self._share_buffers()
        self._group, self._row = [], None
        if interrupt.came(trainer.world):
            interrupt.end()

    def gradients(self) -> float:
        """What :meth:`mnistkit.Trainer.gradients` does."""
        # What was scaled, and perhaps has overflowed, is given up.
        self._trainer.precision.update()
        self.updates.clear()
        losses = []
        with torch.enable_grad(), self.updates.fixed():
            for batch in self._group:
                output = self._step(batch)
                self._backward(output.loss)
                losses.append(output.loss.detach())
        self.updates.complete()
        self.updates.clip()
        images = self.updates.images
        sums = torch.stack([torch.stack(losses).mean() * images, losses[0].new_tensor(images)])
        loss, weights = self._trainer.world.sum(sums)
        return float(loss / weights)

    def log(self, figures: Mapping[str, Tensor | float]) -> None:
        """What :meth:`mnistkit.Trainer.log` does."""
        if self._row is None and not self._group:
            raise ConfigError(
                f"log() got {', '.join(map(repr, figures))} where no update is under way and no epoch has ended; call it in a "
                "step, in a hook of one (on_step_start to on_step_end), or in on_epoch_end"
            )
        if self._row is None:
            self._trainer.state.sums.add(figures, sum(map(size_of, self._group)))
            return
        for name, value in figures.items():
            self._row[f"train_{name}"] = self._mean_over_processes(float(value))

    def step_optimizer(self, name: str, loss: Tensor) -> None:
        """What :meth:`mnistkit.Trainer.step_optimizer` does."""
        if self._trainer.accumulate > 1:
            raise ConfigError(
                f"step_optimizer({name!r}) inside a step of {self._trainer.accumulate} batches; it needs accumulate=1"
            )
        update = self.updates.alone(name)
        update.clear()
        _require_gradient(loss)
        self._trainer.backward(loss, update.parameters)
        update.complete()
        self._hooks.call("on_gradients")
        update.clip()
        update.step()
        update.clear()

    def _find_untrained(self) -> dict[str, tuple[nn.Parameter, Tensor | None]]:
        trainer = self._trainer
        own = [value for value in vars(trainer).values() if isinstance(value, torch.optim.Optimizer)]
        trained = {id(p) for optimizer in (*trainer.optimizers.values(), *own) for p in parameters_of(optimizer)}
        held = {name: value for name, value in vars(trainer).items() if isinstance(value, nn.Parameter)}
        for place, module in held_modules(trainer).items():
            held |= {f"{place}.{name}": parameter for name, parameter in module.named_parameters()}
        return {
            name: (parameter, None if parameter.grad is None else parameter.grad.clone())
            for name, parameter in held.items()
            if id(parameter) not in trained
        }

    def _require_evaluation(self) -> None:
        """What the default evaluation cannot use is not to cost the epoch before it."""
        from mnistkit.training.trainer import Trainer

        if self._validation is not None and type(self._trainer).evaluation_step is Trainer.evaluation_step:
            require_forward(self._trainer.inference_model)

    def _seed(self) -> None:
        trainer = self._trainer
        seed = derive_seed(trainer.seed, "epoch", trainer.state.epoch, trainer.world.rank)
        seed_generators(seed, trainer.device)

    def _batches(self, generators: Mapping[str, Tensor] | None) -> Iterator[Batch]:
        """What is left of the epoch under way, with torch's generators as they were when it was interrupted."""
        trainer, state = self._trainer, self._trainer.state
        # Again, so that the order does not depend on what a callback drew: inside an epoch no on_epoch_start precedes.
        self._seed()
        batches = self._train.batches(state.epoch, state.batch)
        if generators is not None and state.batch:
            set_generator_states(generators, trainer.device)
        # Processes that took different numbers of steps would wait for each other for ever.
        number = min(trainer.world.min(len(self._train)), state.steps_in_epoch * trainer.accumulate)
        return itertools.islice(batches, number - state.batch)

    def _begin(self) -> None:
        state = self._trainer.state
        rate = self._trainer.learning_rate(state.step, state.total_steps)
        self.updates.begin(rate, sum(map(size_of, self._group)))
        state.lr = self.updates.lr

    def _step(self, batch: Batch) -> StepOutput:
        with self._trainer.precision.autocast():
            return as_output(self._trainer.training_step(batch), "training_step")

    def _backward(self, loss: Tensor) -> None:
        # Every optimizer may have been stepped or skipped; the loss is then there to be reported.
        if not self.updates.due:
            return
        _require_gradient(loss)
        # Dividing by one would be two operations in vain, here and on the way back.
        loss = loss if len(self._group) == 1 else loss / len(self._group)
        if len(self.updates.optimizers) == 1:
            self._trainer.backward(loss)
        else:
            self._trainer.backward(loss, self.updates.parameters)

    def _add_up(self, output: StepOutput, batch: Batch) -> None:
        state = self._trainer.state
        state.sums.update(output, labels_of(batch), size_of(batch))
        if self._trainer.device.type == "cpu" or state.step % _STEPS_BETWEEN_LOOKS == 0:
            self._trainer.require_finite()

    def _refuse_gradients_in_vain(self) -> None:
        """What got gradients was to be trained, or else frozen."""
        names = [name for name, (parameter, old) in self._untrained.items() if not _same(parameter.grad, old)]
        if names:
            raise ConfigError(
                f"{', '.join(names[:4])}{' and others' * (len(names) > 4)}: the loss depends on them, they are not the model's, "
                "and no optimizer has them, so they would never be trained. Give them to one, optimizer=lambda parameters: "
                "torch.optim.Adam([*parameters, *head.parameters()]), or call requires_grad_(False) on what is to stay as it is"
            )

    def _mean_over_processes(self, value: float) -> float:
        trainer = self._trainer
        if trainer.world.size == 1:
            return value
        return (
            float(trainer.world.sum(torch.tensor(value, dtype=torch.float64, device=trainer.device)))
            / trainer.world.size
        )

    def _is_interrupted(self, interrupt: InterruptGuard) -> bool:
        trainer = self._trainer
        # Several GPUs would wait for each other in every step, only to hear that nothing has come.
        seldom = trainer.world.size > 1 and trainer.device.type != "cpu"
        return not (seldom and trainer.state.step % _STEPS_BETWEEN_LOOKS) and interrupt.came(trainer.world)

    def _share_buffers(self) -> None:
        """Batch norm's statistics are each process's own while it trains; between epochs they are those of rank 0."""
        trainer = self._trainer
        trainer.world.broadcast(itertools.chain(trainer.model.buffers(), trainer.inference_model.buffers()))

    def _end_epoch(self) -> None:
        trainer, state = self._trainer, self._trainer.state
        trainer.require_finite()
        state.sums.merge(trainer.world)
        self._share_buffers()
        state.train = state.sums.compute()
        row: dict[str, float] = {"epoch": state.epoch + 1, "step": state.step, "lr": state.lr}
        row |= state.train.row("train")
        self._row = row
        if self._validation is not None:
            state.validation = trainer.evaluate(self._validation)
            row |= state.validation.row("val")
        state.history.rows.append(row)
        state.epoch += 1
        state.batch = 0


def _same(gradient: Tensor | None, old: Tensor | None) -> bool:
    if gradient is None or old is None:
        return gradient is None
    return torch.allclose(gradient, old, rtol=0, atol=0, equal_nan=True)


def _require_gradient(loss: Tensor) -> None:
    if not loss.requires_grad:
        raise ConfigError(
            "the loss depends on no parameter that is trained, so there is nothing to learn from it: does the model compute "
            "under no_grad, or detach() its output? Are all of its parameters frozen?"
        )
