"""The form of the catalogue of states: which pages there are, in which states, and how one comes
there. The states themselves stand in files named `states_…`."""

import importlib
import pathlib

ALL = []


class State:
    """A page as a person may find it."""

    def __init__(self, section, function):
        self.section, self.go = section, function
        self.name = function.__name__.replace("_", "-")
        self.text = function.__doc__

    def reach(self, stage):
        """Brings the stage's browser there, as somebody who comes for the first time."""
        stage.fresh()
        self.go(stage)


class Section:
    """States that belong together, in the order of their file."""

    def __init__(self, title):
        self.title = title

    def state(self, function):
        """Enters a function into the catalogue: its name is the state's, its text says what one sees."""
        ALL.append(State(self.title, function))
        return function


def states(*names):
    """All states, or those whose names begin so."""
    if not ALL:
        for file in sorted(pathlib.Path(__file__).parent.glob("states_*.py")):
            importlib.import_module(file.stem)
    found = [it for it in ALL if it.name.startswith(names or "")]
    assert len({it.name for it in ALL}) == len(ALL), "two states of one name"
    assert found, f"no state is called {names}"
    return found
