"""The recipes of those in a hurry."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import seed_everything
from mnistkit.training import FAST, Recipe


@pytest.mark.parametrize("recipe", FAST.values(), ids=list(FAST))
def test_a_recipe_is_followed_to_the_letter(recipe, small):
    trainer = recipe.trainer(small.train, seed=3, progress=False)
    history = trainer.fit(small.train, epochs=recipe.epochs)
    assert tuple(layer.out_channels for layer in trainer.model.conv if isinstance(layer, nn.Conv2d)) == recipe.maps
    assert trainer.model.fc[0].out_features == recipe.hidden
    assert trainer.optimizer.param_groups[0]["betas"] == (0.7, 0.9)
    assert trainer.lr.peak == recipe.peak
    assert trainer.augment == recipe.augment
    assert (trainer.batch_size, trainer.seed) == (recipe.batch_size, 3)
    assert history.last["step"] == trainer.state.total_steps == round(recipe.epochs * -(-300 // recipe.batch_size))


def test_labels_are_smoothed(small):
    trainer = FAST["99.0"].trainer(small.train, progress=False)
    logits, labels = torch.randn(5, 10), torch.arange(5)
    assert torch.equal(trainer.loss(logits, labels), F.cross_entropy(logits, labels, label_smoothing=0.1))


def test_the_network_fits_the_images_that_it_is_made_for(small):
    data = small.train.resize(24)
    model = Recipe((16, 16), 32, 1).trainer(data, progress=False).model
    assert model.input_shape == (1, 24, 24)
    assert [layer.out_features for layer in model.fc if isinstance(layer, nn.Linear)] == [32, len(data.classes)]


def test_a_few_seconds_are_enough_to_learn(mnist):
    seed_everything(0)
    recipe = FAST["99.0"]
    trainer = recipe.trainer(mnist.train, progress=False)
    trainer.fit(mnist.train.take_per_class(600), epochs=recipe.epochs)
    assert trainer.evaluate(mnist.validation.take_per_class(100)).accuracy > 0.93
