"""Builds the documentation: English, and every translation that has a catalogue.

    python docs/build.py

writes docs/_build/html, and docs/_build/html/zh_CN if docs/locale/zh_CN is there. A warning is an error. The tutorials are
run once, and again only when they have changed; --no-tutorials shows their text and code alone. --catalogues writes the
texts to translate to docs/_build/gettext, and brings the catalogues that are there up to date: a new text is empty, a changed
one is marked fuzzy, and the English is shown for both.

Fashion-MNIST, for the second tutorial, is looked for in $MNISTKIT_HOME and downloaded otherwise; without it that tutorial is
shown, but not run.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po, write_po

DOCS = Path(__file__).parent
# What a catalogue needs to say of itself; no dates, which would change with every update.
HEADER = 'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def build(language: str, output: Path, trees: Path, *, tutorials: bool, builder: str = "html") -> None:
    options = ["-b", builder] if tutorials else ["-b", builder, "-D", "plot_gallery=0"]
    if language != "en":  # the English pages have just been built, and have the same pictures
        options += ["-D", "keep_pictures=1"]
    command = ["-W", "-n", "--keep-going", "-q", "-D", f"language={language}", "-d", str(trees), *options]
    subprocess.run([sys.executable, "-m", "sphinx", *command, str(DOCS), str(output)], check=True)
    print(f"{language}: {output}", flush=True)


def update(catalogue: Path, texts: Path) -> None:
    """Give a translated page the texts that its English now has."""
    with catalogue.open("rb") as old, texts.open("rb") as new:
        translated, english = read_po(old), read_po(new)
    translated.update(english)
    translated.obsolete.clear()
    for message in translated:
        message.flags.discard("python-brace-format")  # the braces are MyST's
    with catalogue.open("wb") as file:
        file.write(HEADER.format(language=translated.locale_identifier).encode())
        write_po(file, translated, width=0, no_location=True, omit_header=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DOCS / "_build" / "html")
    parser.add_argument("--no-tutorials", action="store_true")
    parser.add_argument("--catalogues", action="store_true")
    options = parser.parse_args()
    output, tutorials = options.output.resolve(), not options.no_tutorials
    if options.catalogues:
        texts = output.with_name("gettext")
        build("en", texts, output.with_name("trees-gettext"), tutorials=tutorials, builder="gettext")
        for folder in (DOCS / "locale").glob("*/LC_MESSAGES"):
            for catalogue in folder.rglob("*.po"):
                update(catalogue, texts / catalogue.relative_to(folder).with_suffix(".pot"))
        return
    translations = sorted(folder.parent.name for folder in (DOCS / "locale").glob("*/LC_MESSAGES"))
    for language in ("en", *translations):
        place = output if language == "en" else output / language
        # Each language has trees of its own, since they hold its texts.
        build(language, place, output.parent / f"trees-{language}", tutorials=tutorials)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
