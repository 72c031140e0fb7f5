#!/usr/bin/env python3
"""Takes pictures of every page in every state, and writes the index that shows them.

usage: e2e/screens.py --binary PATH [--index] [STATE ...]

Without names all are taken anew, and pictures of states that are no more go away; with names, those
states alone whose names begin so. `--index` writes the index alone. The pictures lie in
docs/screens: NAME-WIDTH-SCHEME.webp, and of some states NAME-WIDTH-SCHEME-LANGUAGE.webp.
"""

import argparse
import pathlib

import catalogue
import support
from stage import staged
from webdriver import DESKTOP, PHONE, TABLET, browsing

SCREENS = pathlib.Path(__file__).parent.parent / "docs" / "screens"
SIZES = (PHONE, TABLET, DESKTOP)
SCHEMES = ("light", "dark")
# Other ways of writing, of the pages that people see most.
LANGUAGES = ("de", "ja", "ar")
TRANSLATED = ("sign-in", "second-step-app", "registration-faults", "consent", "reset-password")


def shoot(browser, name, size, scheme):
    browser.prefer(scheme, motion="reduce")
    browser.size(*size)
    # The page that is shorter than the window ends with it.
    (SCREENS / f"{name}.webp").write_bytes(browser.picture("webp", quality=22))


def take(stage, states):
    for number, state in enumerate(states, 1):
        state.reach(stage)
        for size in SIZES:
            for scheme in SCHEMES:
                shoot(stage.browser, f"{state.name}-{size[0]}-{scheme}", size, scheme)
        print(f"{number}/{len(states)} {state.name}", flush=True)
    for language in LANGUAGES:
        stage.browser.speak(language)
        for state in states:
            if state.name in TRANSLATED:
                state.reach(stage)
                for size in (PHONE, DESKTOP):
                    shoot(stage.browser, f"{state.name}-{size[0]}-light-{language}", size, "light")


def tidy(states):
    """Takes pictures away that belong to no state."""
    for picture in SCREENS.glob("*.webp"):
        if not any(picture.name.startswith(f"{it.name}-{size[0]}-") for it in states for size in SIZES):
            picture.unlink()


def image(name, width, text):
    return f'<img src="{name}.webp" width="{width}" alt="{text}">'


def index(states):
    """The index: what each picture shows, in the order of the catalogue."""
    lines = [
        "# What the pages look like",
        "",
        f"Each of the {len(states)} states of the hosted pages, on a phone (360 px) and on a desktop (1280 px), in light.",
        "Beside these, each is there at 768 px and in dark: `NAME-WIDTH-SCHEME.webp`.",
        "`e2e/screens.py` takes the pictures, from the same catalogue that the tests look at.",
    ]
    section = None
    for state in states:
        if state.section != section:
            section = state.section
            lines += ["", f"## {section}", "", "| State | What it shows | 360 px | 1280 px |", "| --- | --- | --- | --- |"]
        small = image(f"{state.name}-360-light", 120, f"{state.name} on a phone")
        large = image(f"{state.name}-1280-light", 320, f"{state.name} on a desktop")
        lines.append(f"| `{state.name}` | {' '.join(state.text.split())} | {small} | {large} |")
    lines += ["", "## Other languages", "", "| State | " + " | ".join(f"`{it}`" for it in LANGUAGES) + " |", "| --- |" + " --- |" * len(LANGUAGES)]
    for name in TRANSLATED:
        pictures = [image(f"{name}-360-light-{it}", 120, f"{name} in {it}") for it in LANGUAGES]
        lines.append(f"| `{name}` | {' | '.join(pictures)} |")
    (SCREENS / "README.md").write_text("\n".join(lines) + "\n")


def main():
    arguments = argparse.ArgumentParser(description="Takes pictures of every page in every state.")
    arguments.add_argument("--binary", required=True, help="the program")
    arguments.add_argument("--index", action="store_true", help="write the index alone")
    arguments.add_argument("state", nargs="*", help="all where none is named")
    given = arguments.parse_args()
    SCREENS.mkdir(exist_ok=True)
    world = support.World(str(pathlib.Path(given.binary).resolve()), None)
    try:
        if not given.index:
            with staged(world) as stage, browsing(world, "screens", size=PHONE) as stage.browser:
                stage.browser.expected += ["status of"]
                take(stage, [it for name in given.state or [""] for it in catalogue.states(name)])
    finally:
        world.close()
    tidy(catalogue.states())
    index(catalogue.states())


if __name__ == "__main__":
    main()
