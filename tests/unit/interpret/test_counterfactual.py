"""The smallest edit of ink: against the exact optimum, where linear programming knows it."""

import json

import pytest
import torch
from torch import nn

from mnistkit import create_model
from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret import smallest_edit

PLAIN = Preprocessing((0.0,), (1.0,), size=(4, 4))


def two_classes(weights, bias=0.0):
    """Logits 0 and weights * pixels + bias."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model[1].weight.data = torch.stack([torch.zeros(16), weights])
    model[1].bias.data = torch.tensor([0.0, bias])
    return model


def least_ink(weights, image, lack):
    """The exact optimum for two classes: change the pixels that count most first, as far as ink goes."""
    pixels = image.flatten().double() / 255
    room = torch.where(weights > 0, 1 - pixels, pixels)
    ink = 0.0
    for place in weights.abs().argsort(descending=True):
        step = min(float(room[place]), lack / float(weights[place].abs()))
        ink += step
        lack -= step * float(weights[place].abs())
        if lack <= 1e-12:
            return ink
    return None


@pytest.mark.parametrize("seed", range(4))
def test_for_a_linear_model_it_is_close_to_the_exact_optimum(seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(16, generator=generator)
    image = torch.randint(0, 256, (1, 4, 4), generator=generator, dtype=torch.uint8)
    reach = float(weights @ (image.flatten().float() / 255))
    model = two_classes(weights, bias=-reach - 2.0)
    edit = smallest_edit(model, image, 1, PLAIN)
    best = least_ink(weights, image, 2.0)
    assert best is not None
    # Whole grey levels cost a little.
    assert best <= edit.ink <= 1.06 * best + 0.05
    with torch.no_grad():
        assert model(edit.after[None].float() / 255).argmax() == 1


@pytest.fixture(scope="module")
def trained(small):
    from mnistkit import Trainer, seed_everything

    seed_everything(0)
    trainer = Trainer(create_model("lenet1"), lr=0.005, batch_size=20, device="cpu", progress=False)
    trainer.fit(small.train, epochs=4)
    return trainer.model


def test_the_saved_picture_gets_the_other_answer(trained, small):
    test = small.test
    image, target = test.images[0], (int(test.labels[0]) + 3) % 10
    edit = smallest_edit(trained, image, target, test.preprocessing, steps=80)
    assert edit.after.dtype == torch.uint8
    assert torch.equal(edit.before, image)
    with torch.no_grad():
        before, after = (
            trained(test.preprocessing.normalize(torch.stack([edit.before, edit.after]))).double().softmax(1)
        )
    assert before.argmax() == edit.label
    assert after.argmax() == edit.target == target
    assert edit.confidence == pytest.approx(float(before.max()), rel=1e-5)
    assert edit.target_confidence == pytest.approx(float(after.max()), rel=1e-5)
    assert 0 < edit.ink < 100
    assert json.loads(json.dumps(edit.to_json()))["added"] == edit.added
    assert float(edit.change.abs().sum()) == pytest.approx(edit.ink, rel=1e-5)
    assert float(edit.change.sum()) == pytest.approx(edit.added - edit.removed, abs=1e-4)


def test_a_margin_costs_ink_and_gives_certainty(trained, small):
    test = small.test
    target = (int(test.labels[0]) + 3) % 10
    border, sure = (
        smallest_edit(trained, test.images[0], target, test.preprocessing, steps=80, margin=margin) for margin in (0, 3)
    )
    assert sure.ink > border.ink
    assert sure.target_confidence > border.target_confidence
    with torch.no_grad():
        logits = trained(test.preprocessing.normalize(sure.after[None]))[0]
    others = logits[torch.arange(10) != target]
    assert logits[target] - others.max() > 3


def test_nothing_changes_where_the_answer_is_there_already(trained, small):
    test = small.test
    with torch.no_grad():
        said = int(trained(test.preprocessing.normalize(test.images[:1])).argmax())
    edit = smallest_edit(trained, test.images[0], said, test.preprocessing)
    assert edit.ink == edit.added == edit.removed == 0
    assert edit.label == edit.target == said
    assert edit.confidence == edit.target_confidence


def test_the_model_stays_as_it_is(trained, small):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    trained.train()
    trained.zero_grad()
    smallest_edit(trained, small.test.images[1], 8, small.test.preprocessing, steps=5, margin=0)
    assert trained.training
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())
    assert all(parameter.grad is None for parameter in trained.parameters())


def test_an_edit_that_ink_cannot_make_is_said_to_be_missing():
    with pytest.raises(ConfigError, match="no edit of ink was found that makes the model say 1; try more steps"):
        smallest_edit(
            two_classes(torch.ones(16), bias=-17.0), torch.zeros(1, 4, 4, dtype=torch.uint8), 1, PLAIN, steps=40
        )


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"target": 2}, ConfigError, "target is 2, expected a label from 0 to 1"),
        ({"target": -1}, ConfigError, "target is -1, expected a label from 0 to 1"),
        ({"margin": -1.0}, ConfigError, "margin is -1.0 and steps is 300, expected a margin from 0"),
        ({"steps": 0}, ConfigError, "at least 1 step"),
        ({"image": torch.zeros(1, 4, 4)}, DataError, r"got a torch.float32 image of shape \(1, 4, 4\), expected uint8"),
        ({"image": torch.zeros(4, 4, dtype=torch.uint8)}, DataError, r"shape \(4, 4\), expected uint8 \(C, H, W\)"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments, error, text):
    usable = {"image": torch.zeros(1, 4, 4, dtype=torch.uint8), "target": 1, "preprocessing": PLAIN}
    with pytest.raises(error, match=text):
        smallest_edit(two_classes(torch.ones(16), bias=-1.0), **usable | arguments)
