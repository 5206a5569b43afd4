"""The network for real handwriting: MNIST's training images, digits drawn in the styles that they lack, and what is no digit.

A network of ten outputs that has seen nothing but digits gives every scribble to one of them. Here the "no digit" of an
eleventh class has the fixed logit 0: what is no digit is taught to have ten logits far below it, and the sum of their
exponentials says how much a picture looks like any digit at all (an energy score, Liu et al. 2020, equation 4).

Every choice in the recipe was made beforehand, so that the weights after the last epoch are the result; the validation
figures only show how it goes, and the test set is looked at once, with --final.

python examples/train_weights.py --output weights --final
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit import (
    Augment,
    Callback,
    Checkpoint,
    CSVLogger,
    DigitDataset,
    Predictor,
    TensorLoader,
    Trainer,
    create_model,
    evaluate,
    load_mnist,
    seed_everything,
)
from mnistkit.callbacks import EMA
from mnistkit.data import concatenate
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import draw_digits, draw_distractors
from mnistkit.training import OneCycle
from mnistkit.types import Batch, StepOutput

RECIPE = (
    "AdamW (weight decay 0.02), one cycle to 0.005, batches of 128 digits and 32 distractors, label smoothing 0.05, mean of "
    "the weights over about 500 steps; rotation, scale, shear, shift, elastic distortion, stroke width, erasing, blur and "
    "contrast at random"
)
AUGMENT = Augment(rotate=12, scale=0.13, shear=15, shift=2, elastic=0.8, ink=0.7, erase=0.05, blur=0.6, gamma=0.6)


class DigitOrNot(Trainer):
    """To every batch of digits a quarter as many distractors, with the class after the last digit."""

    distractors: DigitDataset

    def training_step(self, batch: Batch) -> StepOutput:
        count = len(batch.labels) // 4
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "distractors", self.state.step))
        chosen = torch.randint(len(self.distractors), (count,), generator=generator)
        frames = AUGMENT(self.distractors.images[chosen].float().div_(255), generator)
        others = self.distractors.preprocessing.normalize_unit(frames).to(self.device)
        logits = self.model(torch.cat([batch.images, others]))
        labels = torch.cat([batch.labels, batch.labels.new_full((count,), logits.shape[1])])
        return StepOutput(self.loss(logits, labels), logits[: len(batch.labels)])


def digit_or_not(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the fixed logit 0 of "no digit" after the others."""
    return F.cross_entropy(F.pad(logits, (0, 1)), labels, label_smoothing=0.05)


class Watch(Callback):
    """Adds to each epoch's figures the accuracy on drawn digits, and how many distractors are taken for one."""

    def __init__(self, drawn: DigitDataset, distractors: DigitDataset) -> None:
        self.drawn, self.distractors = drawn, distractors

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.state.metrics["drawn_accuracy"] = trainer.evaluate(self.drawn).accuracy
        trainer.state.metrics["distractors_taken"] = float((evidence(trainer, self.distractors) > 0).float().mean())


@torch.inference_mode()
def evidence(trainer: Trainer, dataset: DigitDataset) -> Tensor:
    """For a digit, against none."""
    trainer.inference_model.eval()
    logits = [trainer.inference_model(images) for images, _ in TensorLoader(dataset, 256)]
    return torch.cat(logits).logsumexp(1)


def adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, weight_decay=0.02, fused=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--images", type=int, default=55_000, help="of MNIST's training images")
    parser.add_argument(
        "--drawn",
        type=int,
        default=20_000,
        help="drawn digits, and distractors, to train on; 3/20 as many to validate on",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("weights"), help="folder for checkpoints and figures")
    parser.add_argument("--resume", action="store_true", help="go on where the run in that folder stopped")
    parser.add_argument("--threads", type=int, help="of the processor; by default as many as torch likes")
    parser.add_argument(
        "--trained",
        type=Path,
        metavar="FILE",
        help="weights with their card: only measure anew how they are to be read",
    )
    parser.add_argument("--final", action="store_true", help="look at the test set, once, when all is done")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    seed_everything(options.seed)
    mnist, validation, test = load_mnist()
    # Even seeds to train, odd ones to validate: no run validates on digits that another was trained on.
    few, seed = max(10, options.drawn * 3 // 20), 2 * options.seed + 1
    drawn = draw_digits(few, seed=seed, split="validation")
    distractors = draw_distractors(few, validation, seed=seed, split="validation")
    print(validation, drawn, distractors, sep="\n")

    if options.trained:
        predictor = Predictor.from_checkpoint(options.trained)
        card = json.loads(options.trained.with_suffix(".json").read_text())
    else:
        source, seed = mnist[: options.images], 2 * options.seed
        train = concatenate(source, draw_digits(options.drawn, seed=seed))
        others = draw_distractors(options.drawn, source, seed=seed)
        print(train, others, sep="\n")
        trainer = fit(options, train, validation, others, Watch(drawn, distractors))
        predictor = Predictor(trainer.inference_model, mnist.preprocessing)
        card = {
            "model": "handwriting_cnn",
            "parameters": sum(parameter.numel() for parameter in predictor.model.parameters()),
            "trained on": f"{len(train):,} images ({train.name}; {train.source}) and {len(others):,} distractors",
            "recipe": RECIPE,
            "epochs": options.epochs,
            "seed": options.seed,
            "seconds": round(trainer.seconds),
        }
    # The confidence is to be right for images as unlike clean ones as what comes in practice.
    predictor.calibrate(concatenate(validation, drawn), augment=AUGMENT, knows_none=True)
    options.output.mkdir(parents=True, exist_ok=True)
    predictor.save(options.output / "handwriting.safetensors")
    card |= describe(predictor, validation, drawn, distractors)
    if options.final:
        card["mnist test"] = figures(predictor, test)
    (options.output / "handwriting.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card, indent=1))


def fit(
    options: argparse.Namespace,
    train: DigitDataset,
    validation: DigitDataset,
    distractors: DigitDataset,
    watch: Watch,
) -> Trainer:
    """The recipe."""
    checkpoint = Checkpoint(options.output)
    trainer = DigitOrNot(
        # On a processor, convolutions are a quarter faster with the channels of each pixel side by side.
        create_model("handwriting_cnn").to(memory_format=torch.channels_last),
        optimizer=adamw,
        lr=OneCycle(0.005),
        loss=digit_or_not,
        batch_size=128,
        augment=AUGMENT,
        callbacks=[EMA(0.998), watch, checkpoint, CSVLogger(options.output / "history.csv")],
        seed=options.seed,
    )
    trainer.distractors = distractors
    resume = checkpoint.last_path if options.resume else None
    trainer.fit(train, validation, epochs=options.epochs, resume=resume)
    return trainer


def describe(
    predictor: Predictor, validation: DigitDataset, drawn: DigitDataset, distractors: DigitDataset
) -> dict[str, object]:
    """The card's other part: what the weights reach and what they cannot do."""
    found = predictor.calibration.evidence(predictor.logits(distractors.images.numpy()))
    return {
        "licence": "MIT; MNIST's images are CC BY-SA 3.0",
        "temperature": predictor.calibration.temperature,
        "mnist validation": figures(predictor, validation),
        "drawn validation": figures(predictor, drawn),
        "distractors refused at reject=0.98": float(
            (found < predictor.calibration.least_evidence(0.98)).double().mean()
        ),
        "limits": "One digit to a picture (read() finds several), upright within about 25 degrees. Letters that are written "
        "like digits (O, I, l, S, Z, b, g, q) are read as digits. Digits of other scripts, outlined and dotted ones were "
        "never seen.",
    }


def figures(predictor: Predictor, dataset: DigitDataset) -> dict[str, object]:
    report = evaluate(predictor, dataset)
    return {
        "accuracy": report.accuracy,
        "correct": report.correct,
        "count": report.count,
        "interval": list(report.interval),
    }


if __name__ == "__main__":
    main()
