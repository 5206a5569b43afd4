"""The recipe of the reader of lines: the strips it learns from, what it is told, and a run of some steps."""

import dataclasses
import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from mnistkit.errors import CheckpointError
from mnistkit.finder import Finder
from mnistkit.line_reader import LineReader
from mnistkit.recipes import DrawnLines, LineRecipe
from mnistkit.recipes.detection import LETTER
from mnistkit.recipes.drawn_lines import NOTHING, PADDING
from mnistkit.recipes.lines import line_losses
from mnistkit.synthetic.fonts import families

# matplotlib's own fonts are there wherever the tests run.
FONTS = [font for family in families([Path(matplotlib.get_data_path())]).values() for font in family]
QUICK = LineRecipe(batch_size=8, warmup=2, precision="fp32")


@pytest.fixture(scope="module")
def strips(mnist):
    return DrawnLines(mnist.train, FONTS, 24, seed=1)


def test_a_number_is_always_the_same_strip(strips, mnist):
    other = DrawnLines(mnist.train, FONTS, 24, seed=1)
    backwards = [other[number] for number in range(23, -1, -1)][::-1]
    for number, (image, characters) in enumerate(backwards):
        assert torch.equal(image, strips[number][0])
        assert torch.equal(characters, strips[number][1])
    assert not torch.equal(strips[5][0], strips[6][0])
    assert not torch.equal(strips[5][0], DrawnLines(mnist.train, FONTS, 24, seed=2)[5][0])
    with pytest.raises(IndexError):
        strips[24]


def test_strips_are_as_the_reader_takes_them(mnist):
    strips = DrawnLines(mnist.train, FONTS, 150, seed=0)
    found = set()
    for image, characters in (strips[number] for number in range(150)):
        assert image.shape == (1, 32, 192)
        assert -1 <= image.min() < image.max() <= 1
        there = characters[:, 0] != PADDING
        labels, middles = characters[there].T
        assert len(labels)
        # Those that are there come first, from left to right.
        assert there[: len(labels)].all()
        assert (middles.diff() >= 0).all()
        assert ((middles > 0) & (middles < 192)).all()
        found |= set(labels.int().tolist())
    assert {*range(10), LETTER} <= found <= set(range(NOTHING))


def test_without_fonts_all_is_written_by_hand(mnist):
    strips = DrawnLines(mnist.train, (), 40, seed=0)
    assert {tuple(strips[number][0].shape) for number in range(40)} == {(1, 32, 192)}


def test_where_a_strip_says_a_character_is_there_is_ink(mnist):
    strips = DrawnLines(mnist.train, FONTS, 60, seed=3)
    strong, beside = [], []
    for image, characters in (strips[number] for number in range(60)):
        seen = characters[(characters[:, 0] >= 0) & (characters[:, 0] < 10)]
        spread = image[0].std(dim=0).numpy()
        strong += [spread[max(0, int(x) - 4) : int(x) + 5].max() for _, x in seen.tolist()]
        beside.append(float(np.median(spread)))
    assert np.mean(strong) > 1.5 * np.mean(beside)


# ---- losses ---------------------------------------------------------------------------------------------------------------


def columns_of(*characters, width=96):
    """What a reader that knows all says of characters and their middles, in pixels."""
    logits = torch.zeros(1, NOTHING + 1, width)
    logits[:, NOTHING] = 12
    for label, middle in characters:
        logits[0, :, int(middle // 2)] = 0
        logits[0, label, int(middle // 2)] = 12
    return logits


def characters_of(*characters):
    rows = torch.full((1, 16, 2), float(PADDING))
    for row, character in enumerate(characters):
        rows[0, row] = torch.tensor(character, dtype=torch.float)
    return rows


def test_a_reader_that_knows_all_has_no_loss():
    written = (3, 20.0), (3, 44.0), (12, 60.0), (LETTER, 90.0)
    losses = line_losses(columns_of(*written), characters_of(*written))
    assert losses["read"] < 0.01
    assert losses["placed"] < 0.01
    assert losses["whole"] == 1


@pytest.mark.parametrize(
    "said",
    [((3, 20.0),), ((3, 20.0), (3, 44.0), (5, 60.0)), ((5, 20.0), (3, 44.0)), ()],
    ids=["one missing", "one too many", "another", "nothing"],
)
def test_what_is_read_wrongly_costs(said):
    losses = line_losses(columns_of(*said), characters_of((3, 20.0), (3, 44.0)))
    assert losses["read"] > 2
    assert losses["whole"] == 0


def test_an_empty_strip_can_be_right_or_wrong():
    empty = characters_of()
    assert line_losses(columns_of(), empty)["read"] < 0.01
    assert line_losses(columns_of(), empty)["whole"] == 1
    assert line_losses(columns_of((4, 30.0)), empty)["read"] > 2


# ---- the run --------------------------------------------------------------------------------------------------------------


def test_a_run_leaves_a_reader_with_its_card(strips, tmp_path):
    reader = QUICK.run(3, folder=tmp_path, data=(strips, strips), device="cpu", progress=False)
    again = LineReader.load(tmp_path / "lines.safetensors")
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 80), np.uint8)
    assert again.columns(grey) == pytest.approx(reader.columns(grey), abs=0.05)
    assert again.card.recipe == {**QUICK.describe(), "seed": 3}
    assert again.card.seconds > 0
    assert again.card.figures["validation"].keys() >= {"read", "placed", "whole"}


def test_steps_teach(strips, tmp_path):
    recipe = dataclasses.replace(QUICK, epochs=6, average=2)
    recipe.run(folder=tmp_path, data=(strips, strips), device="cpu", progress=False)
    rows = (tmp_path / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("train_loss")
    first, last = (float(rows[row].split(",")[column]) for row in (1, -1))
    assert last < 0.6 * first


def test_the_recipe_is_described_as_json():
    described = LineRecipe().describe()
    assert json.loads(json.dumps(described)) == described
    assert (described["name"], described["model"]) == ("lines", "lines")


# ---- what ships -----------------------------------------------------------------------------------------------------------


def read(columns):
    """The likeliest columns, joined."""
    best = columns.argmax(axis=0)
    starts = np.flatnonzero((best != NOTHING) & (best != np.concatenate([[NOTHING], best[:-1]])))
    return "".join("0123456789-.,%A"[best[place]] for place in starts)


def test_the_reader_that_ships_reads_touching_digits(mnist):
    validation, right = mnist.validation, 0
    draw = np.random.default_rng(0)
    for _ in range(20):
        numbers = draw.choice(len(validation), 4, replace=False)
        line = np.zeros((20, 0), np.uint8)
        for number in numbers.tolist():
            image = validation.images[number, 0].numpy()[4:24]
            columns = np.flatnonzero(image.max(axis=0) > 60)
            line = np.hstack([line, image[:, columns[0] : columns[-1] + 1]])
        strip = np.pad(line, ((6, 6), (8, 8 + line.shape[1] % 2)))
        said = read(LineReader.pretrained().columns(255 - strip[None])[0])
        right += said == "".join(str(int(label)) for label in validation.labels[numbers])
    assert right >= 15


def test_the_reader_that_ships_has_a_card():
    card = LineReader.pretrained().card
    assert card.seconds > 0
    assert {"fonts", "name"} <= set(card.data)
    assert card.licence
    assert card.limits


def test_a_finders_file_is_no_reader_of_lines(tmp_path):
    Finder.pretrained().save(tmp_path / "finder.safetensors")
    with pytest.raises(CheckpointError):
        LineReader.load(tmp_path / "finder.safetensors")
