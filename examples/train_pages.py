"""The networks that look at pages for `read`, the finder and the reader of lines: trained on pages drawn from MNIST's training
digits, strokes, fonts and many hands.

Letters are a kind of their own, so pages need letters by as many hands as digits: with one hand alone the network learns to
tell the hand. Fonts of handwriting are named in hands.txt, and fonts for print in prints.txt, all with free licences:

    npm install --prefix hands $(cat examples/hands.txt)
    npm install --prefix prints $(cat examples/prints.txt)
    python examples/train_pages.py finder --hands hands --prints prints
    python examples/train_pages.py lines --hands hands --prints prints

Fonts for print that the machine has are used, too. One family in six, of both, is held out for the validation pages.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnistkit.page_network import PageNetwork
from mnistkit.recipes import FinderRecipe, LineRecipe
from mnistkit.recipes.drawing import DrawingRecipe
from mnistkit.synthetic.fonts import families, held_out

LICENCE = (
    "MIT; MNIST's images are CC BY-SA 3.0; the fonts are free ones of Debian's main section and of npm's @fontsource (SIL OFL, "
    "Apache, MIT, GPL with the font exception, Bitstream Vera, public domain), and matplotlib's"
)
# Layers of so many weights ship as bytes: in 8 bits, the finder's small ones lose too much.
BYTES = {"finder": 60_000, "lines": 0}
LIMITS = {
    "finder": "Digits from a hundredth to nine tenths of a page, in lines that rise or fall by no more than 20 degrees. A letter "
    "alone that is written like a digit may be found as one.",
    "lines": "Lines that were cut out level, with digits of about 20 of 32 pixels. It does not find them.",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["finder", "lines"])
    parser.add_argument("--hands", type=Path, nargs="*", default=[], help="folders with fonts of handwriting")
    parser.add_argument("--prints", type=Path, nargs="*", default=[], help="folders with fonts for print")
    parser.add_argument("--pages", type=int, help="pages, or strips of them, to train on")
    parser.add_argument("--validation", type=int, help="pages to validate on")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--start", type=Path, help="a file with whose weights the training begins")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="folder for the run; named as what is trained if not given")
    parser.add_argument("--resume", action="store_true", help="go on where the run in that folder stopped")
    options = parser.parse_args()

    known: DrawingRecipe[Any, Any] = FinderRecipe() if options.what == "finder" else LineRecipe()
    kind: type[PageNetwork] = known.trains
    changes = {name: getattr(options, name) for name in ("pages", "validation", "lr")}
    recipe = replace(known, **{name: value for name, value in changes.items() if value is not None})
    fonts, hands = families(options.prints) | families(), families(options.hands)
    folder = options.output or Path(options.what)
    trained = recipe.run(
        options.seed,
        folder=folder,
        data=recipe.draw(options.seed, fonts=fonts, hands=hands),
        start=None if options.start is None else kind.load(options.start),
        resume=options.resume,
    )
    names = sorted({*fonts, *hands})
    data = dict(trained.card.data) | {
        "fonts": [name for name in names if not held_out(name)],
        "held out": [name for name in names if held_out(name)],
    }
    card = replace(trained.card, data=data, licence=LICENCE, limits=LIMITS[options.what])
    replace(trained, card=card).save(folder / f"{kind.shipped}.safetensors", quantized=BYTES[options.what])
    print(card)


if __name__ == "__main__":
    main()
