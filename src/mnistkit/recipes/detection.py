"""What a finder learns by: whether it sees the middles of characters, and knows there what they are and how large."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.synthetic.canvas import CHARACTERS, IGNORED

__all__ = ["LETTER", "NOTHING", "detection_losses"]

#: The label in a row of marks in which there is none.
NOTHING = -2
#: The label of a letter, after those of ``CHARACTERS``.
LETTER = len(CHARACTERS)
# Pixels to a place of the maps; a digit, four signs and a letter; ten digits.
_STRIDE, _KINDS, _DIGITS = 4, 6, 10
# A character smaller than this, in pixels, is not read by anyone; one larger than the second is found in a smaller copy of the
# page, and one between the second and the third in either.
_SMALLEST, _LARGEST, _TOO_LARGE = 10, 150, 190
# How wide the hill around a middle is, in shares of the character's size, and in places at least.
_SPREAD, _LEAST_SPREAD = 0.09, 0.45
# The places that know a character's box and which digit it is: its middle and those beside it.
_AROUND = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


def detection_losses(maps: Tensor, marks: Tensor) -> dict[str, Tensor]:
    """How far maps are from what stands on the pages (Zhou et al. 2019, *Objects as Points*, equations 1 to 4).

    Args:
        maps: of a :class:`~mnistkit.models.FinderNet`, ``(N, 20, H, W)``.
        marks: of the pages, float ``(N, M, 5)``: a place in ``0123456789-.,%``, ``LETTER``, ``IGNORED`` or ``NOTHING``; the
            middle, to the right and down; width and height, in pixels.

    Returns:
        ``found``, a focal loss on the middles; ``told``, the cross-entropy of the digits there; ``placed``, the mean absolute
        error of the four values of the boxes; and ``right``, the share of the digits that were told.
    """
    scores, digits, boxes = maps[:, :_KINDS], maps[:, _KINDS:-4], maps[:, -4:]
    wanted, weights, places = _targets(marks, scores.shape)
    told, right = _digit_loss(digits, places)
    return {
        "found": _focal_loss(scores, wanted, weights),
        "told": told,
        "placed": _box_loss(boxes, places),
        "right": right,
    }


def _targets(marks: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """What the maps should be.

    Args:
        marks: of a batch, ``(N, M, 5)``.
        shape: of the scores: ``(N, kinds, H, W)``.

    Returns:
        The scores, 1 at each middle and less around it; the weights of places, 0 where it does not matter; and ``(K, 8)``, for
        each place that knows a character: the number of the page, row, column, label, and the four values of the box.
    """
    device = marks.device
    count, _, height, width = shape
    most = marks.shape[1]
    pages = torch.arange(count, device=device)[:, None].expand(count, most)
    label, middle, size = marks[..., 0], marks[..., 1:3], marks[..., 3:5]
    longer = size.amax(-1)
    # Signs are small.
    tiny = (longer < _SMALLEST) & ((label < _DIGITS) | (label == LETTER)) | (longer < 2)
    wanted = (label >= 0) & ~tiny & (longer <= _LARGEST)
    ignored = (label == IGNORED) | ((label >= 0) & ~wanted & (longer < _TOO_LARGE))
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)

    first, last = (((middle + sign * size / 2)[ignored] / _STRIDE).long().clamp(min=0) for sign in (-1, 1))
    within = _between(rows, first[:, 1], last[:, 1])[:, :, None] & _between(columns, first[:, 0], last[:, 0])[:, None]
    unclear = torch.zeros(count, 2, height, width, device=device)
    letter = (label[ignored] == LETTER).long()
    _raise_to(unclear.view(-1, height, width), 2 * pages[ignored] + letter, within.float())
    # A letter is no digit at any size.
    weights = 1 - unclear[:, :1].repeat(1, _KINDS, 1, 1)
    weights[:, -1] *= 1 - unclear[:, 1]

    page, kept, middle, size = pages[wanted], label[wanted].long(), middle[wanted] / _STRIDE, size[wanted]
    end = torch.tensor([width - 1, height - 1], device=device)
    place = torch.minimum(middle.floor().long().clamp(min=0), end)
    spread = (_SPREAD * size / _STRIDE).clamp(min=_LEAST_SPREAD)
    across, down = ((axis - place[:, i, None]) / spread[:, i, None] for i, axis in enumerate((columns, rows)))
    hills = torch.exp(-down.square() / 2)[:, :, None] * torch.exp(-across.square() / 2)[:, None]
    kind = (kept - (_DIGITS - 1)).clamp(min=0)
    scores = torch.zeros(count * _KINDS, height, width, device=device)
    _raise_to(scores, page * _KINDS + kind, hills)

    near = torch.minimum((place[:, None] + torch.tensor(_AROUND, device=device)).clamp(min=0), end)
    offset = middle[:, None] - near - 0.5
    sizes = (size.clamp(min=1) / 16).log()[:, None].expand(-1, len(_AROUND), -1)
    page, kept = (values[:, None, None].expand(-1, len(_AROUND), 1) for values in (page, kept))
    known = torch.cat([page, near.flip(-1), kept, offset, sizes], dim=-1).reshape(-1, 8)
    return scores.view(shape), weights, known


def _raise_to(maps: Tensor, numbers: Tensor, values: Tensor) -> None:
    """Bring maps ``(M, H, W)`` up to values ``(K, H, W)``, each of which is for the map of its number."""
    maps.scatter_reduce_(0, numbers[:, None, None].expand_as(values), values, "amax")


def _between(places: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """For each interval whether each place is in it."""
    return (places >= first[:, None]) & (places <= last[:, None])


def _focal_loss(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Of scores, the sum over the places by the number of characters; the closer to a middle, the less a wrong place costs."""
    probability = logits.sigmoid().clamp(1e-5, 1 - 1e-5)
    middle = wanted == 1
    hit = (1 - probability) ** 2 * F.logsigmoid(logits)
    miss = (1 - wanted) ** 4 * probability**2 * F.logsigmoid(-logits)
    return -(torch.where(middle, hit, miss) * weights).sum() / middle.sum().clamp(min=1)


def _digit_loss(digits: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of which digit it is, and the share that is right."""
    places = places[places[:, 3] < _DIGITS]
    if not len(places):
        return digits.sum() * 0, digits.new_ones(())
    page, row, column, label = places[:, :4].long().unbind(1)
    logits = digits[page, :, row, column]
    return F.cross_entropy(logits, label), (logits.argmax(1) == label).float().mean()


def _box_loss(boxes: Tensor, places: Tensor) -> Tensor:
    """The mean absolute error of the boxes' four values."""
    if not len(places):
        return boxes.sum() * 0
    page, row, column = places[:, :3].long().unbind(1)
    return (boxes[page, :, row, column] - places[:, 4:]).abs().mean()
