"""Recipes: what they make is what a Trainer made by hand makes, and a run keeps what it should."""

import dataclasses
import functools
import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import (
    Callback,
    Checkpoint,
    Classifier,
    Trainer,
    create_model,
    load_model,
    register_model,
    seed_everything,
)
from mnistkit.callbacks import TargetReached
from mnistkit.data import Augment, Splits
from mnistkit.errors import CheckpointMismatchError, ConfigError
from mnistkit.evaluation import repeat
from mnistkit.recipes import Recipe, get_recipe, list_recipes
from mnistkit.recipes.handwriting import DigitOrNot
from mnistkit.synthetic import draw_digits, draw_distractors
from mnistkit.training import Cosine, OneCycle

FAST = {"99.0": ((16, 24), 256, 0.025, 0.8), "99.4": ((16, 32), 512, 0.015, 2.75), "99.6": ((32, 64), 512, 0.015, 8)}
QUICK = Recipe(name="quick", title="One layer", model="softmax_regression", epochs=2, batch_size=32)


def same_weights(one, other):
    other = other.state_dict()
    return all(torch.equal(weight, other[name]) for name, weight in one.state_dict().items())


# ---- the catalogue ----------------------------------------------------------------------------------------------------


def test_a_misspelt_name_is_told_the_likeliest_one():
    with pytest.raises(ConfigError, match=r"unknown recipe 'lenet6'; did you mean 'lenet5'\?"):
        get_recipe("lenet6")


def test_every_recipe_is_described_as_json():
    for name in list_recipes():
        recipe = get_recipe(name)
        described = recipe.describe()
        assert recipe.name == name
        assert json.loads(json.dumps(described)) == described
        assert described.keys() >= {"name", "model", "optimizer", "lr", "epochs", "dataset"}


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"activation": "tanh"}},
        {"lr": 0.1},
        {"schedule": Cosine},
        {"schedule": functools.partial(OneCycle, rise=0.5)},
        {"augment": Augment(rotate=5)},
        {"callbacks": (functools.partial(TargetReached, 0.9),)},
        {"trainer_class": type("Other", (Trainer,), {})},
        {"optimizer_options": {"betas": (0.5, 0.9)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_setting_that_differs_is_described_differently(change):
    recipe = get_recipe("t0")
    here, there = recipe.describe(), dataclasses.replace(recipe, **change).describe()
    assert {name for name in here if here[name] != there[name]} == set(change)


class Few(DigitOrNot):
    drawn = 40


def test_the_recipe_for_handwriting_draws_digits_and_what_is_none(small):
    recipe = dataclasses.replace(
        get_recipe("handwriting"), epochs=1, batch_size=64, extend=Few.with_drawn, trainer_class=Few
    )
    data = recipe.prepare(small, seed=3)
    assert data.train.name == f"{small.train.name}+strokes"
    assert torch.equal(data.train.images[: len(small.train)], small.train.images)
    assert torch.equal(data.train.images[-40:], draw_digits(40, seed=6).images)
    assert (data.validation, data.test) == (small.validation, small.test)
    steps = []

    class Looking(Few):
        def loss(self, logits, labels):
            steps.append((self.distractors, labels))
            return super().loss(logits, labels)

    looking = dataclasses.replace(recipe, trainer_class=Looking)
    result, again = (each.run(3, data=small, device="cpu", progress=False) for each in (looking, recipe))
    others, labels = steps[0]
    assert torch.equal(others.images, draw_distractors(40, small.train, seed=6).images)
    assert labels.bincount(minlength=11)[10] == 16
    assert result.evaluation == again.evaluation
    assert result.evaluation.count == len(small.test)


def test_digit_or_not_says_what_it_trains_on(small):
    with pytest.raises(ConfigError, match=r"trains on a DigitDataset that its with_drawn\(\) made"):
        Few(create_model("softmax_regression"), progress=False).fit(small.train[:30])


def test_the_default_gives_the_same_bits_as_a_trainer_made_by_hand(small, tmp_path):
    result = dataclasses.replace(get_recipe("lenet5"), epochs=2).run(3, data=small, device="cpu", progress=False)
    seed_everything(3)
    checkpoint = Checkpoint(tmp_path)
    trainer = Trainer(
        create_model("lenet5"),
        optimizer="adam",
        lr=OneCycle(0.004),
        batch_size=128,
        augment=Augment(rotate=10, scale=0.1, shear=10, shift=2),
        callbacks=[checkpoint],
        device="cpu",
        seed=3,
        progress=False,
    )
    history = trainer.fit(small.train, small.validation, epochs=2)
    best = load_model(checkpoint.best_path)
    assert result.history.rows == history.rows
    assert same_weights(result.classifier.network, best)
    assert result.evaluation == Trainer(best, device="cpu", progress=False).evaluate(small.test)
    assert result.split == "test"


@pytest.mark.parametrize(("percent", "settings"), FAST.items(), ids=list(FAST))
def test_the_fast_ones_are_followed_to_the_letter(percent, settings, small):
    maps, hidden, peak, epochs = settings
    recipe = get_recipe(f"fast-{percent}")
    trainer = recipe.trainer(small.train, seed=3, progress=False)
    history = trainer.fit(small.train, epochs=recipe.epochs)
    assert tuple(layer.out_channels for layer in trainer.model.conv if isinstance(layer, nn.Conv2d)) == maps
    assert trainer.model.fc[0].out_features == hidden
    assert trainer.optimizer.param_groups[0]["betas"] == (0.7, 0.9)
    assert (trainer.lr, recipe.epochs) == (OneCycle(peak), epochs)
    assert history.last["step"] == trainer.state.total_steps == round(epochs * -(-300 // 192))
    logits, labels = torch.randn(5, 10), torch.arange(5)
    assert torch.equal(trainer.loss(logits, labels), F.cross_entropy(logits, labels, label_smoothing=0.1))


def test_a_few_seconds_are_enough_to_learn(mnist):
    recipe = get_recipe("fast-99.0")
    trainer = recipe.trainer(mnist.train, progress=False)
    trainer.fit(mnist.train.take_per_class(600), epochs=recipe.epochs)
    assert trainer.evaluate(mnist.validation.take_per_class(100)).accuracy > 0.93


# ---- data and network -------------------------------------------------------------------------------------------------


def test_the_data_are_prepared_as_the_recipe_says(small):
    recipe = dataclasses.replace(get_recipe("t2a"), per_class=7)
    train, validation, test = recipe.prepare(small, seed=1)
    assert len(train) == 70
    assert train[0][0].shape == validation[0][0].shape == test[0][0].shape == (400,)
    assert len(test) == len(small.test)
    assert torch.equal(train.images, small.train.take_per_class(7, 1).crop(20).images)
    assert not torch.equal(train.images, recipe.prepare(small, seed=2).train.images)


def test_the_recipes_own_data_set_is_loaded_with_its_validation_images():
    train, validation, _ = dataclasses.replace(QUICK, validation=700, per_class=20).load()
    assert (len(train), len(validation)) == (200, 700)


def test_the_network_fits_the_images_that_it_is_made_for(small):
    model = get_recipe("fast-99.0").trainer(small.train.resize(24), progress=False).model
    assert model.input_shape == (1, 24, 24)


@pytest.mark.usefixtures("own_models")
def test_a_model_that_knows_no_image_size_gets_none(small):
    @register_model
    def fixed_for_recipes(*, classes: int = 10) -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))

    recipe = dataclasses.replace(QUICK, model="fixed_for_recipes", arguments={"classes": 12})
    assert recipe.trainer(small.train, progress=False).model[1].out_features == 12


def test_the_weights_are_those_of_the_seed_and_the_programs_generator_stays_as_it_was(small):
    before = torch.get_rng_state()
    one, same, other = (QUICK.trainer(small.train, seed=seed, progress=False).model for seed in (1, 1, 2))
    assert same_weights(one, same)
    assert not same_weights(one, other)
    QUICK.run(data=small, progress=False)
    assert torch.equal(torch.get_rng_state(), before)


# ---- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_keeps_its_classifier_with_a_card_that_says_how_and_how_good(small, tmp_path):
    result = QUICK.run(4, folder=tmp_path / "run", data=small, progress=False)
    kept = Classifier.load(result.path)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.safetensors", "history.csv", "last.safetensors"
    ]  # fmt: skip
    assert same_weights(kept.network, result.classifier.network)
    assert (kept.card.recipe["name"], kept.card.recipe["seed"]) == ("quick", 4)
    assert kept.card.figures["test"] == result.evaluation.to_json()
    assert kept.card.recipe == result.classifier.card.recipe
    assert kept.card.seconds == result.seconds > 0
    described = result.to_json()
    assert json.loads(json.dumps(described)) == described
    assert (described["recipe"], described["seed"], described["epochs"]) == ("quick", 4, 2)
    assert described["test"]["accuracy"] == result.accuracy
    assert "torch" in result.machine
    assert str(result).startswith("quick, seed 4: test loss ")


class Spoil(Callback):
    """After the first epoch the weights are only worse."""

    def on_epoch_start(self, trainer):
        if trainer.state.epoch:
            with torch.no_grad():
                for weight in trainer.model.parameters():
                    weight.mul_(-1)


@pytest.mark.parametrize(
    ("keep", "split", "name"),
    [("best", "validation", "best"), ("best", "none", "best"), ("last", "validation", "model")],
)
def test_the_best_weights_are_the_result_or_the_last_as_the_recipe_says(small, tmp_path, keep, split, name):
    data = small if split == "validation" else Splits(small.train, small.validation[:0], small.test)
    recipe = dataclasses.replace(QUICK, keep=keep, callbacks=(Spoil,), lr=1e-3)
    result = recipe.run(folder=tmp_path, data=data, progress=False)
    trainer = dataclasses.replace(QUICK, lr=1e-3).trainer(data.train, callbacks=[Spoil()], progress=False)
    first = dataclasses.replace(QUICK, lr=1e-3).trainer(data.train, progress=False)
    trainer.fit(data.train, epochs=2)
    first.fit(data.train, epochs=1)
    assert same_weights(result.classifier.network, first.model if keep == "best" else trainer.model)
    assert result.path == tmp_path / f"{name}.safetensors"
    assert result.path.exists()


def test_a_finished_run_that_is_resumed_gives_the_same_and_is_not_overwritten(small, tmp_path):
    first = QUICK.run(folder=tmp_path, data=small, progress=False)
    again = QUICK.run(folder=tmp_path, data=small, resume=True, progress=False)
    assert again.history.rows == first.history.rows
    assert again.evaluation == first.evaluation
    with pytest.raises(ConfigError, match="holds a run already"):
        QUICK.run(folder=tmp_path, data=small, progress=False)
    with pytest.raises(CheckpointMismatchError, match="batch_size: 32 in the file, 50 now"):
        dataclasses.replace(QUICK, batch_size=50).run(folder=tmp_path, data=small, resume=True, progress=False)


def test_what_cannot_be_resumed_or_measured_is_said_before_training(small):
    with pytest.raises(ConfigError, match="needs a folder="):
        QUICK.run(data=small, resume=True, progress=False)
    with pytest.raises(ConfigError, match="nothing to measure on"):
        QUICK.run(data=Splits(small.train, small.validation[:0], small.test[:0]), progress=False)


def test_without_test_images_the_validation_images_are_measured(small):
    result = QUICK.run(data=Splits(small.train, small.validation, small.test[:0]), progress=False)
    assert (result.split, result.evaluation.count) == ("validation", len(small.validation))
    assert result.path is None


def test_every_run_has_callbacks_of_its_own_and_the_recipes_trainer(small):
    made = []

    class Own(Trainer):
        pass

    def make():
        made.append(TargetReached(2.0))
        return made[-1]

    recipe = dataclasses.replace(QUICK, callbacks=(make,), trainer_class=Own)
    trainers = [recipe.trainer(small.train, progress=False) for _ in range(2)]
    assert [type(trainer) for trainer in trainers] == [Own, Own]
    assert [trainer.callbacks for trainer in trainers] == [[made[0]], [made[1]]]


def test_a_recipe_is_repeated_with_several_seeds(small):
    class OnFew(Recipe):
        def load(self, seed=0, *, root=None):
            return self.prepare(small, seed)

    recipe = OnFew(**{each.name: getattr(QUICK, each.name) for each in dataclasses.fields(QUICK)})
    result = repeat(functools.partial(recipe.run, progress=False), [1, 2])
    assert result.values == tuple(recipe.run(seed, progress=False).accuracy for seed in (1, 2))
    assert repeat(recipe, [1]).values == result.values[:1]
