"""What each of the two processes does; it leaves `rank0.*` and `rank1.*` for the tests to compare."""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

from mnistkit import Augment, Callback, Checkpoint, CSVLogger, EarlyStopping, MnistkitError, Trainer, load_mnist
from mnistkit._core.locks import FolderLock
from mnistkit.callbacks import EMA, PreciseBatchNorm, TimeLimit
from mnistkit.training import OneCycle
from mnistkit.types import StepOutput


def data():
    """301 images to train on, 97 to validate on: odd numbers, which two processes cannot share evenly."""
    train, validation, _ = load_mnist()
    return train[:301], validation[:97]


def batch_norm_net():
    torch.manual_seed(int(os.environ.get("RANK", "0")))  # Each process starts from weights of its own.
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(576, 10)
    )


def plain_net():
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))


def plain_trainer(batch_size):
    return Trainer(plain_net(), optimizer="sgd", lr=0.05, batch_size=batch_size, progress=False)


class Rehearsing(Trainer):
    """Also trains on what this process saw last, and keeps count: a state that every process has for itself."""

    def on_fit_start(self):
        if self.state.step == 0:
            self.seen, self.last = 0, None

    def training_step(self, batch):
        output = super().training_step(batch)
        rehearsed = 0.0 if self.last is None else self.loss(self.model(self.last[0]), self.last[1])
        self.last = batch.images[:4], batch.labels[:4]
        self.seen += int(batch.labels.sum())
        return StepOutput(output.loss + 0.1 * rehearsed, output.logits)

    def state_dict(self):
        return {"seen": self.seen, "last": self.last}

    def load_state_dict(self, state):
        self.seen, self.last = state["seen"], state["last"]


def full_trainer(folder, *callbacks):
    return Rehearsing(
        batch_norm_net(),
        lr=OneCycle(0.01),
        batch_size=16,
        augment=Augment(rotate=10, shift=2, elastic=0.5),
        accumulate=2,
        clip_norm=0.5,
        callbacks=[
            Checkpoint(folder),
            CSVLogger(folder / "history.csv"),
            EarlyStopping(5),
            EMA(0.9),
            PreciseBatchNorm(images=100),
            *callbacks,
        ],
    )


class LBFGS(Trainer):
    def optimizer_step(self):
        self.optimizer.step(self.gradients)


def lbfgs(parameters):
    return torch.optim.LBFGS(parameters, max_iter=5, line_search_fn="strong_wolfe")


class SAM(Trainer):
    def optimizer_step(self):
        weights = [p for p in self.model.parameters() if p.grad is not None]
        uphill = [0.05 * p.grad / p.grad.norm() for p in weights]
        with torch.no_grad():
            torch._foreach_add_(weights, uphill)
        self.gradients()
        with torch.no_grad():
            torch._foreach_sub_(weights, uphill)
        super().optimizer_step()


class Duel(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.maker, self.judge, self.idle = nn.Linear(8, 784), nn.Linear(784, 1), nn.Linear(2, 2)


class GAN(Trainer):
    def configure_optimizer(self):
        return {name: torch.optim.Adam(part.parameters(), lr=0.01) for name, part in self.model.named_children()}

    def training_step(self, batch):
        made, judge = self.model.maker(torch.randn(len(batch.images), 8)), self.model.judge
        self.step_optimizer("judge", judge(made.detach()).mean() - judge(batch.images.flatten(1)).mean())
        if self.state.step % 2:
            self.skip("maker")
        return -judge(made).mean()


class Spread:
    """Of the logits: no mean, but made of two."""

    def __call__(self, logits, labels):
        return torch.stack([logits.mean(), logits.square().mean()])

    def finish(self, mean):
        return (mean[1] - mean[0].square()).sqrt()


class LogRank(Callback):
    def on_epoch_end(self, trainer):
        trainer.log({"rank": trainer.world.rank})


class StopAfterEpoch(Callback):
    def on_epoch_end(self, trainer):
        trainer.stop("enough for one day")


class StopAtStep(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.state.step == self.step:
            trainer.stop("enough for one hour")


class SaveInto(Callback):
    def __init__(self, path):
        self.path = path

    def on_checkpoint(self, trainer):
        trainer.save_checkpoint(self.path)


class WriteSlowly(Callback):
    def __init__(self, path):
        self.path = path

    def on_fit_end(self, trainer):
        if trainer.world.is_main:
            time.sleep(0.5)
            self.path.write_text("by rank 0")


class Worker:
    """Each method whose name does not begin with `_` is one part; all run in turn, in one pair of processes."""

    def __init__(self, folder):
        self.folder = folder
        self.rank = int(os.environ["RANK"])
        self.results = {}
        self.tensors = {}
        self.train, self.validation = data()

    def _keep(self, part, trainer):
        for name, tensor in trainer.model.state_dict().items():
            self.tensors[f"{part}/{name}"] = tensor.clone()
        self.results[part] = {
            "history": trainer.state.history.rows,
            "step": trainer.state.step,
            "stop_reason": trainer.state.stop_reason,
        }

    def straight(self):
        trainer = full_trainer(self.folder / "straight")
        trainer.fit(self.train, self.validation, epochs=2)
        self._keep("straight", trainer)
        self.results["straight"]["seen"] = trainer.seen
        result = trainer.evaluate(self.validation)
        self.results["straight"] |= {"loss": result.loss, "correct": result.score.correct, "count": result.count}

    def resumed_inside(self):
        """Stopped inside the first epoch and inside the second; the third trainer also has the seen labels of its own."""
        folder = self.folder / "resumed_inside"
        for step, resume in ((3, None), (7, folder / "last.safetensors")):
            full_trainer(folder, StopAtStep(step)).fit(self.train, self.validation, epochs=2, resume=resume)
        trainer = full_trainer(folder)
        trainer.fit(self.train, self.validation, epochs=2, resume=folder / "last.safetensors")
        self._keep("resumed_inside", trainer)
        self.results["resumed_inside"]["seen"] = trainer.seen

    def resumed(self):
        full_trainer(self.folder / "resumed", StopAfterEpoch()).fit(self.train, self.validation, epochs=2)
        trainer = full_trainer(self.folder / "resumed")
        trainer.fit(self.train, self.validation, epochs=2, resume=self.folder / "resumed" / "last.safetensors")
        self._keep("resumed", trainer)

    def as_one_process(self):
        trainer = plain_trainer(batch_size=15)
        trainer.fit(self.train[:300], self.validation, epochs=2)
        self._keep("as_one_process", trainer)

    def averaged_without_validation(self):
        trainer = Trainer(batch_norm_net(), batch_size=16, callbacks=[EMA()], progress=False)
        trainer.fit(self.train, epochs=1)
        self._keep("averaged_without_validation", trainer)

    def one_validation_image(self):
        trainer = plain_trainer(batch_size=32)
        trainer.fit(self.train, self.validation[:1], epochs=1)
        self._keep("one_validation_image", trainer)

    def loaders_of_different_lengths(self):
        images = self.train[:96] if self.rank == 0 else self.train[96:144]
        trainer = plain_trainer(batch_size=None)
        trainer.fit(DataLoader(images, batch_size=16), epochs=2)
        self._keep("loaders_of_different_lengths", trainer)

    def methods(self):
        """LBFGS, SAM and a GAN: whatever a rank decides or computes again, all ranks must."""
        for name, kind, options in (
            ("lbfgs", LBFGS, {"optimizer": lbfgs, "batch_size": 50}),
            ("sam", SAM, {"accumulate": 2, "clip_norm": 1.0, "batch_size": 16}),
            ("gan", GAN, {"batch_size": 16}),
        ):
            model = Duel() if kind is GAN else plain_net()
            trainer = kind(model, progress=False, **options)
            trainer.fit(self.train[:101], epochs=1)
            self._keep(name, trainer)
            idle = trainer.optimizers.get("idle")
            self.results[name]["idle"] = None if idle is None else len(idle.state)

    def figures(self):
        trainer = plain_trainer(batch_size=16)
        trainer.metrics = {"spread": Spread()}
        trainer.callbacks.append(LogRank())
        trainer.fit(self.train[:97], self.validation[:1], epochs=1)
        self._keep("figures", trainer)
        self.results["figures"]["whole"] = trainer.evaluate(self.validation).metrics["spread"]

    def not_shared(self):
        trainer = plain_trainer(batch_size=None)
        loader = DataLoader(self.train, batch_size=16, shuffle=True)
        own = torch.Generator().manual_seed(self.rank)
        by_rank = DataLoader(self.train, batch_size=16, shuffle=True, generator=own)
        for name, call in {
            "fit": lambda: trainer.fit(loader, epochs=1),
            "evaluate": lambda: trainer.evaluate(loader),
            "fit_with_own_generator": lambda: trainer.fit(by_rank, epochs=1),
        }.items():
            try:
                call()
            except MnistkitError as error:
                self.results[f"not_shared_{name}"] = [type(error).__name__, str(error)]
        shared = DataLoader(self.train, batch_size=16, sampler=DistributedSampler(self.train, 2, self.rank))
        self.results["shared_by_a_sampler"] = trainer.fit(shared, steps=3).last["step"]

    def time_limit(self):
        limit = TimeLimit(1e-9 if self.rank == 1 else 1e9)
        trainer = Trainer(plain_net(), batch_size=16, callbacks=[limit], progress=False)
        trainer.fit(self.train, epochs=2)
        self._keep("time_limit", trainer)

    def written_at_the_end(self):
        path = self.folder / "end.txt"
        Trainer(plain_net(), callbacks=[WriteSlowly(path)], progress=False).fit(self.train, epochs=1)
        self.results["written_at_the_end"] = path.read_text() if path.exists() else None

    def group(self):
        """Whether this process is in a group: after a run, after one that failed, after one in a group of its own making."""

        class Failing(Callback):
            def on_step_end(self, trainer):
                raise LookupError

        plain_trainer(batch_size=32).fit(self.train, epochs=1)
        found = [dist.is_initialized()]
        try:
            Trainer(plain_net(), callbacks=[Failing()], progress=False).fit(self.train, epochs=1)
        except LookupError:
            found.append(dist.is_initialized())
        dist.init_process_group("gloo")
        plain_trainer(batch_size=32).fit(self.train, epochs=1)
        found.append(dist.is_initialized())
        dist.destroy_process_group()
        self.results["group"] = found

    def refusals(self):
        nowhere = Trainer(plain_net(), callbacks=[SaveInto(self.folder / "straight")], progress=False)
        taken = Trainer(plain_net(), callbacks=[Checkpoint(self.folder / "taken")], progress=False)
        (self.folder / "taken").mkdir(exist_ok=True)
        table = CSVLogger(self.folder / "straight" / "history.csv")
        lock = FolderLock(self.folder / "taken") if self.rank == 0 else None
        for name, refused in {
            "too_few_images": lambda: plain_trainer(batch_size=4).fit(self.train[:1], epochs=1),
            "written_into_a_folder": lambda: nowhere.fit(self.train, epochs=1),
            "a_folder_that_is_taken": lambda: taken.fit(self.train, self.validation, epochs=1),
            "a_table_of_another_run": lambda: Trainer(plain_net(), callbacks=[table]).fit(self.train, epochs=1),
        }.items():
            try:
                refused()
            except MnistkitError as error:
                self.results[name] = [type(error).__name__, str(error)]
        if lock is not None:
            lock.release()
        taken.fit(self.train, self.validation, epochs=1)
        self.results["released"] = taken.state.epoch

    def _write(self):
        save_file(self.tensors, self.folder / f"rank{self.rank}.safetensors")
        (self.folder / f"rank{self.rank}.json").write_text(json.dumps(self.results))


def main():
    torch.set_num_threads(1)
    worker = Worker(Path(sys.argv[1]))
    for name in [name for name in vars(Worker) if not name.startswith("_")]:
        (worker.folder / f"rank{worker.rank}.{name}.begun").touch()
        getattr(worker, name)()
    worker._write()


if __name__ == "__main__":
    main()
