"""The recipes that are known by name."""

from __future__ import annotations

import functools

from mnistkit.callbacks import EMA, PreciseBatchNorm
from mnistkit.data import Augment, PixelShift
from mnistkit.errors import ConfigError, unknown_name
from mnistkit.recipes.handwriting import AUGMENT, DigitOrNot
from mnistkit.recipes.recipe import Recipe
from mnistkit.training import OneCycle

__all__ = ["get_recipe", "list_recipes"]

# The quickest found whose mean accuracy on validation images was at least that of their name, on two CPU cores. A run of a
# few hundred steps has no time for averages over a thousand.
_fast = functools.partial(
    Recipe,
    schedule=OneCycle,
    model="fast_cnn",
    optimizer_options={"betas": (0.7, 0.9)},
    batch_size=192,
    label_smoothing=0.1,
    precision="auto",
)
# For those that have the time to see every image in many ways.
_long = functools.partial(
    Recipe,
    optimizer="adamw",
    optimizer_options={"weight_decay": 0.02},
    schedule=OneCycle,
    batch_size=128,
    label_smoothing=0.05,
    augment=Augment(rotate=10, scale=0.1, shift=2, elastic=0.6),
    callbacks=(functools.partial(EMA, 0.999),),
    keep="last",
)
_separable = functools.partial(
    Recipe,
    model="separable_cnn",
    optimizer="adamw",
    optimizer_options={"weight_decay": 0.02},
    schedule=OneCycle,
    batch_size=128,
    augment=Augment(rotate=8, scale=0.08, shear=6, shift=1, elastic=0.6),
    callbacks=(functools.partial(EMA, 0.999), PreciseBatchNorm),
    keep="last",
)
_vgg = functools.partial(_long, model="vgg_cnn")

_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="lenet5",
            title="LeNet-5, one cycle, augmentation: the default of `mnistkit train`",
            model="lenet5",
            lr=0.004,
            schedule=OneCycle,
            epochs=12,
            batch_size=128,
            augment=Augment(rotate=10, scale=0.1, shear=10, shift=2),
        ),
        _fast(
            name="fast-99.0",
            title="99.0 % in seconds: `mnistkit train --fast`",
            arguments={"maps": (16, 24), "hidden": 256},
            lr=0.025,
            epochs=0.8,
        ),
        _fast(
            name="fast-99.4",
            title="99.4 % in seconds: `mnistkit train --fast 99.4`",
            arguments={"maps": (16, 32), "hidden": 512},
            lr=0.015,
            epochs=2.75,
            augment=PixelShift(1),
        ),
        _fast(
            name="fast-99.6",
            title="99.6 % in a minute or two: `mnistkit train --fast 99.6`",
            arguments={"maps": (32, 64), "hidden": 512},
            lr=0.015,
            epochs=8,
            augment=PixelShift(1),
        ),
        Recipe(
            name="t0",
            title="T0: LeNet-5, Adam, 20 epochs",
            model="lenet5",
            epochs=20,
            batch_size=100,
        ),
        # Nothing is chosen, so nothing is set aside.
        Recipe(
            name="t1",
            title="T1: LeNet with sigmoids on Fashion-MNIST, 5 epochs",
            model="lenet5",
            arguments={"activation": "sigmoid", "padding": 0},
            dataset="fashion-mnist",
            validation=0,
            epochs=5,
            batch_size=256,
            keep="last",
        ),
        # At a constant rate Adam now and then leaps out of a minimum that it has reached, also in the very last epoch: the
        # weights of the epoch with the least training loss are the ones to keep.
        Recipe(
            name="t2a",
            title="T2a: 400-25-15-10 on 5,000 images, 40 epochs",
            model="mlp",
            validation=0,
            per_class=500,
            crop=20,
            flat=True,
            epochs=40,
            batch_size=32,
        ),
        Recipe(
            name="t2b",
            title="T2b: 784-25-15-10, 10 epochs",
            model="mlp",
            epochs=10,
            keep="last",
        ),
        Recipe(
            name="t3",
            title="T3: ConvNet [4, 8], SGD, 20 epochs",
            model="convnet",
            optimizer="sgd",
            optimizer_options={"momentum": 0.9},
            epochs=20,
            keep="last",
        ),
        Recipe(
            name="t4",
            title="T4: small CNN, Adam, 20 epochs",
            model="digit_cnn",
            epochs=20,
            keep="last",
        ),
        # All was chosen beforehand, so that the weights after the last epoch are the result. Those in the package were trained
        # on the validation images too, dataclasses.replace(recipe, validation=0).
        Recipe(
            name="handwriting",
            title="Real handwriting: the network of `Predictor()`, before its confidence is calibrated",
            model="handwriting_cnn",
            extend=DigitOrNot.with_drawn,
            optimizer="adamw",
            optimizer_options={"weight_decay": 0.02},
            lr=0.005,
            schedule=OneCycle,
            epochs=18,
            batch_size=128,
            augment=AUGMENT,
            callbacks=(functools.partial(EMA, 0.998),),
            keep="last",
            trainer_class=DigitOrNot,
        ),
        _fast(
            name="fast-10k",
            title="Under 10,000 parameters",
            arguments={"maps": (12, 16), "hidden": 28},
            lr=0.02,
            epochs=12,
            augment=PixelShift(1),
        ),
        _long(
            name="lenet5-long",
            title="LeNet-5 in five minutes of one processor core",
            model="lenet5",
            lr=0.004,
            epochs=60,
        ),
        _separable(
            name="separable-1k",
            title="Under 1,000 parameters",
            lr=0.02,
            epochs=60,
            augment=Augment(rotate=6, scale=0.06, shear=5, shift=1),
        ),
        _separable(
            name="separable-10k",
            title="Under 10,000 parameters, with convolutions that run three times",
            arguments={"first": 12, "stages": ((32, 32), (56, 56))},
            lr=0.01,
            epochs=40,
        ),
        _separable(
            name="separable-100k",
            title="Under 100,000 parameters, with convolutions that run three times",
            arguments={"first": 24, "stages": ((96, 96), (176, 176))},
            lr=0.006,
            epochs=30,
        ),
        _long(
            name="cnn-100k",
            title="Under 100,000 parameters",
            model="handwriting_cnn",
            arguments={"width": 16, "dropout": 0.0},
            lr=0.006,
            epochs=10,
            callbacks=(functools.partial(EMA, 0.998),),
        ),
        _vgg(
            name="vgg-100k",
            title="Under 100,000 parameters, as deep as the larger ones",
            arguments={"maps": (18, 36, 72), "dropout": 0.1},
            lr=0.005,
            epochs=30,
            precision="auto",
        ),
        _vgg(
            name="vgg-200k",
            title="Under 200,000 parameters",
            arguments={"maps": (24, 48, 96)},
            lr=0.004,
            epochs=18,
        ),
        _vgg(
            name="vgg-300k",
            title="Under 300,000 parameters, ten minutes of two processor cores",
            arguments={"maps": (32, 64, 128)},
            lr=0.004,
            epochs=24,
            precision="auto",
        ),
        _vgg(
            name="vgg-1m",
            title="One network within two hours of two processor cores",
            arguments={"maps": (64, 128, 256), "dropout": 0.3},
            lr=0.003,
            epochs=44,
            precision="auto",
        ),
        _vgg(
            name="fashion-1m",
            title="Fashion-MNIST, under a million parameters",
            arguments={"maps": (56, 112, 224), "dropout": 0.3},
            dataset="fashion-mnist",
            lr=0.003,
            epochs=44,
            augment=Augment(scale=0.05, shift=1, erase=0.3, mirror=0.5),
            precision="auto",
        ),
        _vgg(
            name="fashion-200k",
            title="Fashion-MNIST, under 200,000 parameters",
            arguments={"maps": (24, 48, 80)},
            dataset="fashion-mnist",
            lr=0.004,
            epochs=30,
            augment=Augment(scale=0.05, shift=1, erase=0.2, mirror=0.5),
        ),
    )
}


def list_recipes() -> list[str]:
    """The names that :func:`get_recipe` knows.

    >>> from mnistkit.recipes import list_recipes
    >>> list_recipes()[:4]
    ['lenet5', 'fast-99.0', 'fast-99.4', 'fast-99.6']
    """
    return list(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        ConfigError: for an unknown name, with the likeliest meant one.

    >>> from mnistkit.recipes import get_recipe
    >>> get_recipe("t0").epochs
    20
    """
    if name not in _RECIPES:
        raise ConfigError(unknown_name("recipe", name, _RECIPES))
    return _RECIPES[name]
