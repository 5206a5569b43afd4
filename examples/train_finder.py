"""The network that finds characters for `read`: pages drawn from MNIST's training digits, strokes, fonts and many hands.

Letters are a kind of their own, so pages need letters by as many hands as digits: with one hand alone the network learns to
tell the hand. Fonts of handwriting are named in hands.txt, and fonts for print in prints.txt, all with free licences:

    npm install --prefix hands $(cat examples/hands.txt)
    npm install --prefix prints $(cat examples/prints.txt)
    python examples/train_finder.py --hands hands --prints prints --output finder

Fonts for print that the machine has are used, too. One family in six, of both, is held out for the validation pages.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from mnistkit.finder import Finder
from mnistkit.recipes import FinderRecipe
from mnistkit.synthetic.fonts import families, held_out

LICENCE = (
    "MIT; MNIST's images are CC BY-SA 3.0; the fonts are free ones of Debian's main section and of npm's @fontsource (SIL OFL, "
    "Apache, MIT, GPL with the font exception, Bitstream Vera, public domain), and matplotlib's"
)
LIMITS = (
    "Digits from a hundredth to nine tenths of a page, in lines that rise or fall by no more than 20 degrees. A letter alone "
    "that is written like a digit may be found as one."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hands", type=Path, nargs="*", default=[], help="folders with fonts of handwriting")
    parser.add_argument("--prints", type=Path, nargs="*", default=[], help="folders with fonts for print")
    parser.add_argument("--pages", type=int, default=FinderRecipe.pages)
    parser.add_argument("--validation", type=int, default=FinderRecipe.validation, help="pages to validate on")
    parser.add_argument("--lr", type=float, default=FinderRecipe.lr)
    parser.add_argument("--start", type=Path, help="a finder with whose weights the training begins")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("finder"), help="folder for the run")
    parser.add_argument("--resume", action="store_true", help="go on where the run in that folder stopped")
    options = parser.parse_args()

    recipe = replace(FinderRecipe(), pages=options.pages, validation=options.validation, lr=options.lr)
    fonts, hands = families(options.prints) | families(), families(options.hands)
    start = None if options.start is None else Finder.load(options.start)
    finder = recipe.run(
        options.seed,
        folder=options.output,
        data=recipe.draw(options.seed, fonts=fonts, hands=hands),
        start=start,
        resume=options.resume,
    )
    known = sorted({*fonts, *hands})
    data = dict(finder.card.data) | {
        "fonts": [name for name in known if not held_out(name)],
        "held out": [name for name in known if held_out(name)],
    }
    card = replace(finder.card, data=data, licence=LICENCE, limits=LIMITS)
    Finder(finder.network, card).save(options.output / "finder.safetensors")
    print(card)


if __name__ == "__main__":
    main()
