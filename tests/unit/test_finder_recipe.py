"""The finder's recipe: the pages it learns from, what it is told to find there, and a run of some steps."""

import dataclasses
import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from mnistkit.errors import ConfigError
from mnistkit.finder import Finder
from mnistkit.recipes import DrawnPages, FinderRecipe
from mnistkit.recipes.detection import LETTER, NOTHING, detection_losses
from mnistkit.recipes.drawn_pages import on_its_side
from mnistkit.synthetic import Mark
from mnistkit.synthetic.canvas import IGNORED
from mnistkit.synthetic.fonts import families

# matplotlib's own fonts are there wherever the tests run.
FONTS = families([Path(matplotlib.get_data_path())])
QUICK = FinderRecipe(batch_size=4, warmup=2)


@pytest.fixture(scope="module")
def pages(mnist):
    return DrawnPages(mnist.train, (), 12, seed=1, side=64)


# ---- pages ----------------------------------------------------------------------------------------------------------------


def test_a_number_is_always_the_same_page(pages, mnist):
    (image, marks), (again, same) = pages[5], DrawnPages(mnist.train, (), 12, seed=1, side=64)[5]
    assert torch.equal(image, again)
    assert torch.equal(marks, same)
    assert not torch.equal(image, pages[6][0])
    assert not torch.equal(image, DrawnPages(mnist.train, (), 12, seed=2, side=64)[5][0])
    with pytest.raises(IndexError):
        pages[12]


def test_pages_are_as_the_finder_takes_them(mnist):
    fonts = [font for family in FONTS.values() for font in family]
    pages = DrawnPages(mnist.train, fonts, 24, seed=0)
    found = set()
    for image, marks in (pages[number] for number in range(24)):
        assert image.shape == (1, 256, 256)
        assert -1 <= image.min() < image.max() <= 1
        there = marks[marks[:, 0] > NOTHING]
        found |= set(there[:, 0].int().tolist())
        middle, size = there[:, 1:3], there[:, 3:]
        assert ((middle - size / 2 > -1) & (middle + size / 2 < 257)).all()
    assert {IGNORED, *range(10), LETTER} <= found <= {IGNORED, *range(14), LETTER}


@pytest.mark.parametrize(("quarters", "stay"), [(1, (0, 8)), (2, (0, 6, 8)), (3, (0, 8))])
def test_a_page_on_its_side_has_digits_that_stay_digits_only_and_these_do_not_matter(quarters, stay):
    picture = np.zeros((64, 64), np.uint8)
    marks = []
    for place, digit in enumerate((0, 2, 6, 8)):
        picture[10:20, 5 + 14 * place : 11 + 14 * place] = 100 + digit
        marks.append(Mark(digit, (5 + 14 * place, 10, 11 + 14 * place, 20)))
    # Letters there are none.
    marks.append(Mark(LETTER, (5, 30, 11, 40)))
    turned, kept = on_its_side(picture, marks, quarters)
    seen = set()
    for mark in kept:
        left, top, right, bottom = (int(edge) for edge in mark.box)
        assert mark.label == IGNORED
        (tone,) = np.unique(turned[top:bottom, left:right])
        seen.add(tone - 100)
    assert seen == set(stay)


# ---- losses ---------------------------------------------------------------------------------------------------------------


def maps_of(label, middle, size):
    """What a finder that knows all says of one character on a page of 64 pixels."""
    maps = torch.zeros(1, 20, 16, 16)
    maps[:, :6] = -12
    column, row = (int(place // 4) for place in middle)
    maps[0, max(label - 9, 0), row, column] = 12
    maps[0, 6 + label % 10] = 12
    for rows, columns in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
        offset = torch.tensor([middle[0] / 4 - (column + columns) - 0.5, middle[1] / 4 - (row + rows) - 0.5])
        maps[0, 16:18, row + rows, column + columns] = offset
    maps[0, 18:] = (torch.tensor(size) / 16).log()[:, None, None]
    return maps


def marks_of(*rows):
    marks = torch.full((1, 6, 5), float(NOTHING))
    for place, row in enumerate(rows):
        marks[0, place] = torch.tensor(row)
    return marks


@pytest.mark.parametrize("label", [3, 9, 10, 13, LETTER])
def test_maps_that_are_right_cost_nothing(label):
    maps = maps_of(label, (30.0, 21.0), (14.0, 22.0))
    losses = detection_losses(maps, marks_of((label, 30.0, 21.0, 14.0, 22.0)))
    assert losses["found"] < 1e-3
    assert losses["told"] < 1e-3
    assert losses["placed"] < 1e-5
    assert losses["right"] == 1


def test_each_mistake_costs_in_its_own_loss():
    mark = (3, 30.0, 21.0, 14.0, 22.0)
    right = maps_of(*(3, (30.0, 21.0), (14.0, 22.0)))
    assert detection_losses(right, marks_of())["found"] > 10
    assert detection_losses(right, marks_of((5, *mark[1:])))["told"] > 10
    assert detection_losses(right, marks_of((*mark[:3], 28.0, 22.0)))["placed"] == pytest.approx(
        np.log(2) / 4, rel=1e-3
    )


@pytest.mark.parametrize(
    "mark", [(IGNORED, 30.0, 21.0, 14.0, 22.0), (3, 30.0, 21.0, 5.0, 8.0), (3, 30.0, 21.0, 90.0, 160.0)]
)
def test_what_is_cut_off_tiny_or_a_little_too_large_may_be_found_or_not(mark):
    right, none = maps_of(3, (30.0, 21.0), (14.0, 22.0)), torch.zeros(1, 20, 16, 16)
    none[:, :6] = -12
    for maps in (right, none):
        losses = detection_losses(maps, marks_of(mark))
        assert losses["told"] == losses["placed"] == 0
        if mark[0] == IGNORED:
            assert losses["found"] < 1e-3


@pytest.mark.parametrize("size", [(5.0, 8.0), (90.0, 160.0)])
def test_a_letter_that_is_tiny_or_large_may_be_found_or_not_and_is_no_digit(size):
    mark = (LETTER, 30.0, 21.0, *size)
    seen, none, taken = (maps_of(label, (30.0, 21.0), (14.0, 22.0)) for label in (LETTER, LETTER, 3))
    none[:, :6] = -12
    assert detection_losses(seen, marks_of(mark))["found"] < 1e-3
    assert detection_losses(none, marks_of(mark))["found"] < 1e-3
    assert detection_losses(taken, marks_of(mark))["found"] > 10


# ---- the run --------------------------------------------------------------------------------------------------------------


def test_a_run_leaves_a_finder_with_its_card(pages, tmp_path):
    finder = QUICK.run(3, folder=tmp_path, data=(pages, pages), device="cpu", progress=False)
    again = Finder.load(tmp_path / "finder.safetensors")
    grey = np.full((1, 64, 64), 200, np.uint8)
    assert again.maps(grey) == pytest.approx(finder.maps(grey), abs=0.05)
    assert again.card.recipe == {**QUICK.describe(), "seed": 3}
    assert again.card.seconds > 0
    assert again.card.figures["validation"].keys() >= {"found", "told", "placed", "right"}
    assert (tmp_path / "history.csv").read_text().count("\n") == 2
    with pytest.raises(ConfigError):
        QUICK.run(3, folder=tmp_path, data=(pages, pages), device="cpu", progress=False)


def test_steps_teach(pages, tmp_path):
    recipe = dataclasses.replace(QUICK, epochs=4, average=2)
    recipe.run(folder=tmp_path, data=(pages, pages), device="cpu", progress=False)
    rows = (tmp_path / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("train_loss")
    first, last = (float(rows[row].split(",")[column]) for row in (1, -1))
    assert last < 0.8 * first


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(pages, tmp_path, monkeypatch):
    settings = {"data": (pages, pages), "device": "cpu", "progress": False}
    recipe = dataclasses.replace(QUICK, epochs=2)
    whole = recipe.run(folder=tmp_path / "whole", **settings)

    class Stopped(Exception):
        """In the middle of the second epoch."""

    asked, draw = iter(range(14)), DrawnPages.__getitem__

    def draw_or_stop(self, number):
        if next(asked, None) is None:
            raise Stopped
        return draw(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(DrawnPages, "__getitem__", draw_or_stop)
        with pytest.raises(Stopped):
            recipe.run(folder=tmp_path / "part", **settings)
    resumed = recipe.run(folder=tmp_path / "part", resume=True, **settings)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name])


def test_a_run_that_is_killed_in_its_only_epoch_has_a_file_to_resume_from(mnist, tmp_path):
    class Killed(Exception):
        """Late in the epoch."""

    class Pages(DrawnPages):
        def __getitem__(self, number):
            drawn.append(number)
            if len(drawn) > 8:
                raise Killed
            return super().__getitem__(number)

    drawn = []
    pages = Pages(mnist.train, (), 12, seed=1, side=32)
    with pytest.raises(Killed):
        dataclasses.replace(QUICK, batch_size=2).run(
            folder=tmp_path, data=(pages, pages), device="cpu", save_every=2, progress=False
        )
    assert (tmp_path / "last.safetensors").exists()


def test_a_run_begins_with_the_weights_it_is_given(pages, tmp_path):
    start = Finder.pretrained()
    recipe = dataclasses.replace(QUICK, lr=1e-9)
    finder = recipe.run(folder=tmp_path, data=(pages, pages), start=start, device="cpu", progress=False)
    assert finder.network.state_dict()["digit.weight"] == pytest.approx(
        start.network.state_dict()["digit.weight"], abs=1e-5
    )


def test_the_recipe_is_described_as_json():
    described = FinderRecipe().describe()
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == "finder"


def test_families_that_are_held_out_are_for_validation_only(mnist):
    train, validation = dataclasses.replace(FinderRecipe(), pages=5, validation=3).draw(fonts=FONTS, hands=FONTS)
    assert (len(train), len(validation)) == (5, 3)
    for fonts in ("fonts", "hands"):
        known, others = ({font.path for font in getattr(pages.painter, fonts)} for pages in (train, validation))
        assert known
        assert not known & others
    assert dataclasses.replace(FinderRecipe(), pages=1).draw(fonts=FONTS)[0].painter.hands == ()
