"""The network for real handwriting: MNIST's training images, digits drawn in the styles that they lack, and what is no digit.

A network of ten outputs that has seen nothing but digits gives every scribble to one of them. Here the "no digit" of an
eleventh class has the fixed logit 0: what is no digit is taught to have ten logits far below it, and the sum of their
exponentials says how much a picture looks like any digit at all (an energy score, Liu et al. 2020, equation 4).

Every choice in the recipe was made beforehand, so that the weights after the last epoch are the result; the validation
figures only show how it goes, and the test set is looked at once, with --final. Weights that are trained on the validation
images too (--images 60000) have none left to be calibrated on: they take the calibration of their twin, trained in the same
way on 55,000 (--twin FILE).

python examples/train_weights.py --output weights --final
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit import (
    EMA,
    Augment,
    Callback,
    Checkpoint,
    Classifier,
    CSVLogger,
    DigitDataset,
    OneCycle,
    StepOutput,
    Trainer,
    create_model,
    evaluate,
    load_mnist,
    seed_everything,
)
from mnistkit.calibration import Calibration
from mnistkit.data import concatenate
from mnistkit.seeding import derive_seed
from mnistkit.synthetic import draw_digits, draw_distractors
from mnistkit.types import Batch, JsonValue

RECIPE = (
    "AdamW (weight decay 0.02), one cycle to 0.005, batches of 128 digits and 32 distractors, label smoothing 0.05, mean of "
    "the weights over about 500 steps; rotation, scale, shear, shift, elastic distortion, stroke width, erasing, blur and "
    "contrast at random"
)
LICENCE = "MIT; MNIST's images are CC BY-SA 3.0"
LIMITS = (
    "One digit to a picture (read() finds several), upright within about 25 degrees. Letters that are written like digits "
    "(O, I, l, S, Z, b, g, q) are read as digits. Digits of other scripts, outlined and dotted ones were never seen."
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
        classifier = Classifier(trainer.inference_model, self.distractors.preprocessing)
        membership = Calibration(background=True).membership(classifier.logits(self.distractors.images))
        trainer.state.metrics["distractors_taken"] = float((membership > 0.5).mean())


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
        help="only measure anew how these weights are to be read",
    )
    parser.add_argument(
        "--twin",
        type=Path,
        metavar="FILE",
        help="take the calibration of these weights, trained in the same way without the validation images",
    )
    parser.add_argument("--final", action="store_true", help="look at the test set, once, when all is done")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    seed_everything(options.seed)
    mnist, validation, test = load_mnist(validation=0 if options.twin else 5000)
    if options.twin:
        validation = load_mnist().validation
    # Even seeds to train, odd ones to validate: no run validates on digits that another was trained on.
    few, seed = max(10, options.drawn * 3 // 20), 2 * options.seed + 1
    drawn = draw_digits(few, seed=seed, split="validation")
    distractors = draw_distractors(few, validation, seed=seed, split="validation")
    print(validation, drawn, distractors, sep="\n")

    if options.trained:
        classifier = Classifier.load(options.trained)
    else:
        source, seed = mnist[: options.images], 2 * options.seed
        train = concatenate(source, draw_digits(options.drawn, seed=seed))
        others = draw_distractors(options.drawn, source, seed=seed)
        print(train, others, sep="\n")
        trainer = fit(options, train, validation, others, Watch(drawn, distractors))
        classifier = trainer.classifier()
        recipe: dict[str, JsonValue] = {"what": RECIPE, "distractors": len(others), **classifier.card.recipe}
        classifier = replace(classifier, card=replace(classifier.card, recipe=recipe))
    # The confidence is to be right for images as unlike clean ones as what comes in practice.
    if options.twin:
        classifier = replace(classifier, calibration=Classifier.load(options.twin).calibration)
    else:
        classifier = classifier.calibrate(concatenate(validation, drawn), augment=AUGMENT, background=True)
    measured = describe(classifier, validation, drawn, distractors)
    if options.final:
        measured["mnist test"] = figures(classifier, test)
    card = replace(classifier.card, figures={**classifier.card.figures, **measured}, licence=LICENCE, limits=LIMITS)
    options.output.mkdir(parents=True, exist_ok=True)
    replace(classifier, card=card).save(options.output / "handwriting.safetensors")
    print(json.dumps(card.to_json(), indent=1))


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
    classifier: Classifier, validation: DigitDataset, drawn: DigitDataset, distractors: DigitDataset
) -> dict[str, JsonValue]:
    """What the weights reach."""
    calibration = classifier.calibration
    found = calibration.evidence(classifier.logits(distractors.images))
    return {
        "mnist validation": figures(classifier, validation),
        "drawn validation": figures(classifier, drawn),
        "distractors refused at coverage 0.98": float((found < calibration.least_evidence(0.98)).mean()),
    }


def figures(classifier: Classifier, dataset: DigitDataset) -> JsonValue:
    report = evaluate(classifier, dataset)
    return {
        "accuracy": report.accuracy,
        "correct": report.correct,
        "count": report.count,
        "interval": list(report.interval),
    }


if __name__ == "__main__":
    main()
