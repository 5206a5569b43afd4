"""The finder that ships: a network that sees where digits and the signs of numbers stand, trained on drawn pages only.

Pages are drawn from MNIST's training digits, from strokes, in the fonts that are installed and as displays; one family of
fonts in six is for validation only, as are MNIST's validation digits. Some have digits far too large: what is found in a
smaller copy of a page is nothing in this one. Whatever is drawn is kept in the folder, so that a run can go on where it
stopped.

The weights that ship were made in two runs, the second from where the first ended, with the large pages:

python examples/train_finder.py --output first --pages 12000 --epochs 34
python examples/train_finder.py --output finder --pages 12000 --large 700 --epochs 34 --lr 0.0022 --weights first/last.safetensors
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnistkit import Checkpoint, CSVLogger, DigitDataset, Trainer, load_mnist, load_model, seed_everything
from mnistkit.callbacks import EMA
from mnistkit.card import Card
from mnistkit.finder import Finder
from mnistkit.models import FinderNet
from mnistkit.seeding import derive_seed
from mnistkit.synthetic.fonts import families, held_out
from mnistkit.synthetic.pages import PagePainter
from mnistkit.training import Cosine, Warmup
from mnistkit.types import Batch, SplitName, StepOutput

# Pixels of a page, and how many of them have one place in the network's maps.
SIDE, STRIDE = 256, 4
LICENCE = "MIT; MNIST's images are CC BY-SA 3.0; the fonts, whose shapes the weights know, are free ones of Debian"
LIMITS = (
    "Digits from a hundredth to nine tenths of a page, in lines that rise or fall by no more than 20 degrees. Letters written "
    "like digits are found; cursive handwriting has many such."
)
# Pages in one file, and the most characters of one page.
SHARD, MOST_MARKS = 500, 160
# Labels of marks: found or not, it does not matter; no mark at all.
IGNORED, NOTHING = -1, -2
# A digit, and four signs.
KINDS = 5
# A character smaller than this is not read by anyone; one larger than the last is found in a smaller copy of the page, and is
# nothing in this one; between the two it does not matter.
SMALLEST, LARGEST, TOO_LARGE = 10, 150, 190
# The least and the greatest height of a digit on a page, in pixels; and of those that are too large.
HEIGHTS, LARGE_HEIGHTS = (14, 115), (230, 700)
# The layouts of those, and how often each is drawn.
LARGE_KINDS = {"lines": 0.2, "string": 0.3, "single": 0.2, "display": 0.1, "form": 0.1, "prose": 0.1}


# ---- pages --------------------------------------------------------------------------------------------------------------


def draw_pages(folder: Path, count: int, digits: DigitDataset, split: SplitName, *, large: bool = False) -> list[Path]:
    """Files of pictures, uint8 ``(N, 256, 256)``, and marks, float32 ``(N, M, 5)``: label, middle, width and height.

    Large pages have no marks: whatever is on them is too large to be found there.
    """
    name = f"{split}-large" if large else split
    wanted = [(folder / f"{name}-{first:06}.npz", min(SHARD, count - first)) for first in range(0, count, SHARD)]
    missing = [(path, size) for path, size in wanted if not path.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        fonts = [font for name, family in families().items() if held_out(name) == (split != "train") for font in family]
        painter = PagePainter(digits, fonts)
    for path, size in missing:
        generator = np.random.default_rng(derive_seed(0, path.stem))
        pictures, marks = np.zeros((size, SIDE, SIDE), np.uint8), np.full((size, MOST_MARKS, 5), NOTHING, np.float32)
        for number in range(size):
            kind = str(generator.choice(list(LARGE_KINDS), p=list(LARGE_KINDS.values()))) if large else None
            page = painter.draw(generator, (SIDE, SIDE), heights=LARGE_HEIGHTS if large else HEIGHTS, kind=kind)
            pictures[number] = page.picture
            for row, mark in enumerate(() if large else page.marks[:MOST_MARKS]):
                left, top, right, bottom = mark.box
                marks[number, row] = mark.label, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, pictures=pictures, marks=marks)
        unfinished.replace(path)
        print(f"{path.name}: {size} pages", flush=True)
    return [path for path, _ in wanted]


# ---- batches ------------------------------------------------------------------------------------------------------------


class DrawnPages:
    """Batches of drawn pages, each time scaled, moved, inverted, faded, or turned on its side.

    Args:
        files: of the pages.
        batch: pages in a batch.
        steps: batches in an epoch.
        seed: of the choices; ``None`` takes the pages as they are, in order.
    """

    def __init__(self, files: list[Path], batch: int, steps: int, seed: int | None = None) -> None:
        self.batch, self.steps = batch, steps
        self.generator = None if seed is None else np.random.default_rng(seed)
        shards = [np.load(file) for file in files]
        self.pictures = np.concatenate([shard["pictures"] for shard in shards])
        self.marks = np.concatenate([shard["marks"] for shard in shards])
        # Full pages teach more than those with little on them.
        digits = ((self.marks[..., 0] >= 0) & (self.marks[..., 0] < 10)).sum(axis=1)
        large = np.concatenate(
            [np.full(len(shard["marks"]), "large" in file.stem) for file, shard in zip(files, shards, strict=True)]
        )
        shares = np.where(large, 2.0, np.sqrt(digits + 1))
        self.shares = shares / shares.sum()

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(self.steps):
            pages = [self._page(step * self.batch + place) for place in range(self.batch)]
            pictures = torch.from_numpy(np.stack([picture for picture, _ in pages]))[:, None]
            marks = torch.from_numpy(np.stack([marks for _, marks in pages]))
            yield pictures.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last), marks

    def _page(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        draw = self.generator
        if draw is None:
            return self.pictures[number % len(self.pictures)], self.marks[number % len(self.pictures)]
        number = int(draw.choice(len(self.pictures), p=self.shares))
        picture, marks = self.pictures[number], self.marks[number].copy()
        if draw.random() < 0.1:
            picture, marks = on_its_side(picture, marks, int(draw.integers(1, 4)))
        if draw.random() < 0.8:
            picture, marks = moved(picture, marks, draw)
        if draw.random() < 0.35:
            picture = 255 - picture
        if draw.random() < 0.3:
            low, high = draw.uniform(0, 60), draw.uniform(150, 255)
            curve = low + (high - low) * np.linspace(0, 1, 256) ** np.exp(draw.normal(0, 0.4))
            picture = cv2.LUT(picture, curve.astype(np.uint8))
        return picture, marks


def on_its_side(picture: np.ndarray, marks: np.ndarray, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """A page turned by so many quarters has no digits but those that stay digits, which do not matter."""
    turned = marks.copy()
    x, y = marks[:, 1], marks[:, 2]
    if quarters == 2:
        turned[:, 1], turned[:, 2] = SIDE - x, SIDE - y
    else:
        turned[:, 1], turned[:, 2] = (y, SIDE - x) if quarters == 1 else (SIDE - y, x)
        turned[:, 3], turned[:, 4] = marks[:, 4], marks[:, 3]
    # A short page may have any direction.
    lasting = (0, 1, 8, 6, 9) if quarters == 2 else (0, 8, 1)
    is_short = (marks[:, 0] >= 0).sum() < 4
    stays = marks[:, 0] > NOTHING if is_short else np.isin(marks[:, 0], [IGNORED, 10, 11, 12, 13, *lasting])
    turned[:, 0] = np.where(stays, IGNORED, NOTHING)
    return np.ascontiguousarray(np.rot90(picture, quarters)), turned


def moved(picture: np.ndarray, marks: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A page scaled and moved; what leaves it in part is ignored."""
    scale = np.exp(draw.uniform(np.log(0.75), np.log(1.5)))
    stretch = np.exp(draw.normal(0, 0.08))
    by = np.array([scale * stretch, scale / stretch])
    shift = SIDE / 2 * (1 - by) + draw.uniform(-0.1, 0.1, 2) * SIDE
    matrix = np.array([[by[0], 0, shift[0]], [0, by[1], shift[1]]])
    way = cv2.INTER_AREA if scale < 0.8 else cv2.INTER_LINEAR
    picture = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=way, borderMode=cv2.BORDER_REPLICATE)
    real = marks[:, 0] > NOTHING
    marks[real, 1:3] = marks[real, 1:3] * by + shift
    marks[real, 3:5] *= by
    low, high = marks[:, 1:3] - marks[:, 3:5] / 2, marks[:, 1:3] + marks[:, 3:5] / 2
    margin = 0.12 * marks[:, 3:5]
    cut = ((low < -margin) | (high > SIDE + margin)).any(axis=1)
    gone = ((high < 0) | (low > SIDE)).any(axis=1)
    marks[real & cut, 0] = IGNORED
    marks[real & gone, 0] = NOTHING
    return picture, marks


# ---- training -----------------------------------------------------------------------------------------------------------


class FinderTrainer(Trainer):
    """Focal loss on the middles of characters, absolute error on their boxes (Zhou et al. 2019, equations 1 to 4)."""

    def training_step(self, batch: Batch) -> StepOutput:
        return self.maps_and_losses(self.model, batch)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        return self.maps_and_losses(self.inference_model, batch)

    def maps_and_losses(self, model: nn.Module, batch: Batch) -> StepOutput:
        maps = model(batch.images).float()
        scores, digits, boxes = maps[:, :KINDS], maps[:, KINDS:-4], maps[:, -4:]
        wanted, weights, places = targets(batch.labels, scores.shape)
        found = focal_loss(scores, wanted, weights)
        told, right = digit_loss(digits, places)
        placed = box_loss(boxes, places)
        figures = {"found": found, "told": told, "placed": placed, "right": right}
        return StepOutput(found + told + placed, None, {name: value.detach() for name, value in figures.items()})


def targets(marks: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """What the maps should be.

    Args:
        marks: ``(N, M, 5)``: label, middle, width and height, in pixels.
        shape: of the scores: ``(N, kinds, H, W)``.

    Returns:
        The scores, 1 at each middle and less around it; the weights of places, 0 where anything is ignored; and for the
        middles ``(K, 8)``: the number of the page, row, column, the label, and the four values of the box.
    """
    count, characters, height, width = shape
    pages = torch.arange(count)[:, None].expand(marks.shape[:2])
    label, middle, size = marks[..., 0], marks[..., 1:3], marks[..., 3:5]
    longer = size.amax(-1)
    tiny = (longer < SMALLEST) & (label < 10) | (longer < 2)
    wanted = (label >= 0) & ~tiny & (longer <= LARGEST)
    ignored = (label == IGNORED) | ((label >= 0) & ~wanted & (longer < TOO_LARGE))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")

    weights = torch.ones(count, 1, height, width)
    for page, (left, top), (wide, tall) in zip(
        pages[ignored].tolist(), middle[ignored].tolist(), size[ignored].tolist(), strict=True
    ):
        x0, x1 = max(0, int((left - wide / 2) / STRIDE)), int((left + wide / 2) / STRIDE) + 1
        y0, y1 = max(0, int((top - tall / 2) / STRIDE)), int((top + tall / 2) / STRIDE) + 1
        weights[page, :, y0:y1, x0:x1] = 0

    page, label, middle, size = pages[wanted], label[wanted].long(), middle[wanted] / STRIDE, size[wanted]
    place = middle.floor().long()
    place[:, 0].clamp_(0, width - 1)
    place[:, 1].clamp_(0, height - 1)
    spread = (0.09 * size / STRIDE).clamp(min=0.45)
    distance = ((x - place[:, 0, None, None]) / spread[:, 0, None, None]) ** 2
    distance = distance + ((y - place[:, 1, None, None]) / spread[:, 1, None, None]) ** 2
    scores = torch.zeros(count * characters, height, width)
    # A digit, or one of the signs.
    kind = (label - 9).clamp(min=0)
    for row, hill in zip((page * characters + kind).tolist(), torch.exp(-distance / 2), strict=True):
        scores[row] = torch.maximum(scores[row], hill)

    # The places beside the middle know the box, too.
    around = torch.tensor([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)])
    near = (place[:, None] + around).clamp(min=0)
    near = torch.minimum(near, torch.tensor([width - 1, height - 1]))
    offset = middle[:, None] - near - 0.5
    sizes = (size.clamp(min=1) / 16).log()[:, None].expand(-1, len(around), -1)
    page, label = (values[:, None, None].expand(-1, len(around), 1) for values in (page, label))
    rows = torch.cat([page, near.flip(-1), label, offset, sizes], dim=-1)
    return scores.view(shape), weights, rows.reshape(-1, 8)


def focal_loss(logits: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Of scores, the mean over the characters; the closer to a middle, the less a wrong place costs."""
    probability = logits.sigmoid().clamp(1e-5, 1 - 1e-5)
    middle = wanted == 1
    hit = (1 - probability) ** 2 * F.logsigmoid(logits)
    miss = (1 - wanted) ** 4 * probability**2 * F.logsigmoid(-logits)
    return -(torch.where(middle, hit, miss) * weights).sum() / middle.sum().clamp(min=1)


def box_loss(boxes: Tensor, places: Tensor) -> Tensor:
    """The mean absolute error of the boxes' four values."""
    if not len(places):
        return boxes.sum() * 0
    page, row, column = places[:, :3].long().unbind(1)
    return (boxes[page, :, row, column] - places[:, 4:]).abs().mean()


def digit_loss(digits: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of which digit it is, and the share that is right, at the places of digits."""
    places = places[places[:, 3] < 10]
    if not len(places):
        return digits.sum() * 0, digits.new_ones(())
    page, row, column, label = places[:, :4].long().unbind(1)
    logits = digits[page, :, row, column]
    return F.cross_entropy(logits, label), (logits.argmax(1) == label).float().mean()


def adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, weight_decay=0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("finder"), help="folder for pages, checkpoints and figures")
    parser.add_argument("--pages", type=int, default=8000, help="to draw and train on")
    parser.add_argument("--validation", type=int, default=500, help="pages to validate on")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--steps", type=int, default=50, help="batches in an epoch")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--large", type=int, default=0, help="pages with digits that are too large, to train on")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="begin with the weights of this run")
    parser.add_argument("--resume", action="store_true", help="go on where the run in that folder stopped")
    options = parser.parse_args()

    seed_everything(options.seed)
    mnist, validation, _ = load_mnist()
    pages = options.output.parent / "pages"
    train_files = draw_pages(pages, options.pages, mnist, "train")
    train_files += draw_pages(pages, options.large, mnist, "train", large=True)
    validation_files = draw_pages(pages, options.validation, validation, "validation")
    checkpoint = Checkpoint(options.output, monitor=None)
    network = load_model(options.weights, model=FinderNet()) if options.weights else FinderNet()
    trainer = FinderTrainer(
        # On a processor, convolutions are quicker with the channels of each pixel side by side.
        network.to(memory_format=torch.channels_last),
        optimizer=adamw,
        lr=Warmup(min(100, options.steps), Cosine(options.lr)),
        clip_norm=10.0,
        callbacks=[EMA(0.995), checkpoint, CSVLogger(options.output / "history.csv")],
        seed=options.seed,
    )
    start = time.perf_counter()
    trainer.fit(
        DrawnPages(train_files, options.batch, options.steps, options.seed),
        DrawnPages(validation_files, options.batch, max(1, min(options.validation, 64) // options.batch)),
        epochs=options.epochs,
        resume=checkpoint.last_path if options.resume else None,
    )
    recipe = {name: str(value) for name, value in vars(options).items()}
    card = Card(
        {"name": "drawn pages"}, recipe, dict(trainer.state.metrics), time.perf_counter() - start, LICENCE, LIMITS
    )
    Finder(trainer.inference_model, card).save(options.output / "pages.safetensors")
    print(trainer.evaluation)


if __name__ == "__main__":
    main()
