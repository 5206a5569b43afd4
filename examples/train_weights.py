"""The network for real handwriting: MNIST's training images, digits drawn in the styles that they lack, and what is no digit.

The network is trained by the recipe "handwriting"; this program also calibrates its confidence and writes its card.

Every choice in the recipe was made beforehand, so that the weights after the last epoch are the result; the validation
figures only show how it goes, and the test set is looked at once, after training. Weights that are trained on the validation
images too (--images 60000) have none left to be calibrated on: they take the calibration of their twin, trained in the same
way on 55,000 (--twin FILE).

python examples/train_weights.py --output weights
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from mnistkit import Classifier, DigitDataset, evaluate, load_mnist
from mnistkit.data import Splits, concatenate
from mnistkit.recipes import get_recipe
from mnistkit.recipes.handwriting import AUGMENT, DigitOrNot
from mnistkit.synthetic import draw_digits, draw_distractors
from mnistkit.types import JsonValue

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
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    recipe = replace(get_recipe("handwriting"), epochs=options.epochs)
    if options.drawn != DigitOrNot.drawn:

        class Other(DigitOrNot):
            drawn = options.drawn

        recipe = replace(recipe, extend=Other.with_drawn, trainer_class=Other)
    mnist, validation, test = load_mnist(validation=0 if options.twin else 5000)
    data = Splits(mnist[: options.images], validation, test)
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
        result = recipe.run(options.seed, folder=options.output, data=data, resume=options.resume)
        print(result)
        about: dict[str, JsonValue] = {"what": RECIPE, "distractors": options.drawn, **result.classifier.card.recipe}
        classifier = replace(result.classifier, card=replace(result.classifier.card, recipe=about))
    # The confidence is to be right for images as unlike clean ones as what comes in practice.
    if options.twin:
        classifier = replace(classifier, calibration=Classifier.load(options.twin).calibration)
    else:
        classifier = classifier.calibrate(concatenate(validation, drawn), augment=AUGMENT, background=True)
    measured = describe(classifier, validation, drawn, distractors)
    card = replace(classifier.card, figures={**classifier.card.figures, **measured}, licence=LICENCE, limits=LIMITS)
    options.output.mkdir(parents=True, exist_ok=True)
    replace(classifier, card=card).save(options.output / "handwriting.safetensors", half=True)
    print(json.dumps(card.to_json(), indent=1))


def describe(
    classifier: Classifier, validation: DigitDataset, drawn: DigitDataset, distractors: DigitDataset
) -> dict[str, JsonValue]:
    """What the weights reach."""
    calibration = classifier.calibration
    found = calibration.evidence(classifier.logits(distractors.images))
    return {
        "mnist validation": evaluate(classifier, validation).score.to_json(),
        "drawn validation": evaluate(classifier, drawn).score.to_json(),
        "distractors refused at coverage 0.98": float((found < calibration.least_evidence(0.98)).mean()),
    }


if __name__ == "__main__":
    main()
