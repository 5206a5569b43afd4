import pytest
import torch

from mnistkit.errors import ConfigError, DataError
from mnistkit.evaluation import PERTURBATIONS, perturb
from mnistkit.evaluation.corruptions.blur import gaussian


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.test.images[:50]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_neutral_level_changes_nothing_and_is_among_the_levels(images, name):
    perturbation = PERTURBATIONS[name]
    assert perturbation.neutral in perturbation.levels
    assert list(perturbation.levels) == sorted(set(perturbation.levels))
    same = perturb(images, name, perturbation.neutral)
    assert torch.equal(same, images)
    assert same is not images
    # The neutral level is a promise about the others: close to it, little changes.
    near = perturb(images, name, perturbation.neutral + 0.01)
    assert (near.float() - images).abs().mean() < 3


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_farther_the_level_the_more_changes(images, name):
    perturbation = PERTURBATIONS[name]
    above = [level for level in perturbation.levels if level > perturbation.neutral]
    changes = [(perturb(images, name, level).float() - images).abs().mean() for level in above]
    assert changes == sorted(changes)
    assert changes[0] > 0


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_one_seed_gives_one_result(images, name):
    level = PERTURBATIONS[name].levels[-1]
    torch.manual_seed(1)
    first = perturb(images, name, level, seed=3)
    torch.manual_seed(2)
    assert torch.equal(first, perturb(images, name, level, seed=3))
    assert torch.equal(first, perturb(images, name, level, seed=4)) == (name in {"scale", "stroke width", "blur"})


def _centre(images):
    weights = images[:, 0].double()
    total = weights.sum((1, 2))
    rows = (weights.sum(2) * torch.arange(images.shape[2])).sum(1) / total
    columns = (weights.sum(1) * torch.arange(images.shape[3])).sum(1) / total
    return torch.stack([rows, columns], dim=1)


def test_a_shift_moves_by_its_level_in_every_direction(images):
    images = perturb(images, "scale", 0.6)  # With room around the ink, so that none is lost.
    moves = _centre(perturb(images, "shift", 2.0)) - _centre(images)
    assert moves.norm(dim=1).numpy() == pytest.approx(2, abs=0.05)
    assert (moves > 1).any(0).all()
    assert (moves < -1).any(0).all()


def test_a_quarter_turn_is_one_to_the_left_or_to_the_right(images):
    turned = perturb(images, "rotation", 90)
    left, right = (torch.rot90(images, k, (2, 3)).int() for k in (1, -1))
    off = torch.stack([(turned - side).abs().flatten(1).amax(1) for side in (left, right)])
    assert off.amin(0).max() <= 1
    assert set(off.argmin(0).tolist()) == {0, 1}


def test_a_scale_of_a_half_has_a_quarter_of_the_ink(images):
    ink = perturb(images, "scale", 0.5).double().sum() / images.double().sum()
    assert ink == pytest.approx(0.25, abs=0.01)


def test_stroke_width_grows_and_shrinks_by_whole_and_half_pixels():
    bar = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    bar[..., 12:15] = 255
    for level, width in ((1, 5), (2, 7), (-1, 1)):
        assert (perturb(bar, "stroke width", level)[0, 0, 14] == 255).sum() == width
    half = perturb(bar, "stroke width", 1.5)[0, 0, 14]
    assert half[[9, 10, 11, 15, 16, 17]].tolist() == pytest.approx([0, 128, 255, 255, 128, 0], abs=1)
    thin = perturb(bar, "stroke width", -0.5)[0, 0, 14]
    assert thin[11:16].tolist() == pytest.approx([0, 128, 255, 128, 0], abs=1)


def test_noise_has_the_levels_deviation():
    grey = torch.full((40, 1, 28, 28), 128, dtype=torch.uint8)
    assert perturb(grey, "noise", 0.1).float().std() / 255 == pytest.approx(0.1, rel=0.02)


def test_blur_has_the_levels_width(images):
    expected = gaussian(images[:, 0].float(), 1.5).round().to(torch.uint8)
    assert (perturb(images, "blur", 1.5)[:, 0].int() - expected).abs().max() <= 1


def test_the_same_image_moves_the_same_way_at_every_level(images):
    images = perturb(images, "scale", 0.6)
    near, far = (_centre(perturb(images, "shift", level)) - _centre(images) for level in (1.0, 3.0))
    assert (3 * near - far).abs().max() < 0.1


def test_images_of_other_sizes_and_many_of_them_are_taken(mnist):
    many = mnist.test.crop(20).images[:1100]
    assert perturb(many, "noise", 0.1).shape == (1100, 1, 20, 20)
    assert perturb(many[:0], "blur", 1).shape == (0, 1, 20, 20)


def test_what_makes_no_sense_is_refused(images):
    with pytest.raises(ConfigError, match="unknown perturbation 'rotate'; did you mean 'rotation'"):
        perturb(images, "rotate", 1)
    for level in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"level of blur is .*, expected at least 0"):
            perturb(images, "blur", level)
    with pytest.raises(ConfigError, match="level of scale is 0, expected more than 0"):
        perturb(images, "scale", 0)
    with pytest.raises(ConfigError, match="level of stroke width is nan, expected a finite number"):
        perturb(images, "stroke width", float("nan"))
    for other in (images.float(), images[:, 0], images.expand(-1, 3, -1, -1)):
        with pytest.raises(DataError, match=r"expected uint8 \(N, 1, H, W\): change them before they are normalised"):
            perturb(other, "blur", 1)
