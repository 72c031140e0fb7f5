"""The two ways to use a page: by mouse, and by keyboard alone. A flow that is written for one hand
works with the other, and says nothing of how."""

import contextlib

from support import wait_for
from webdriver import CONTROL, ENTER, SPACE, TAB, Fault

# More stops than any page has.
STOPS = 60


class Hand:
    """Somebody at a page; elements are named by `id`."""

    def __init__(self, browser, base):
        self.browser, self.base = browser, base

    def open(self, path):
        self.browser.open(path if path.startswith("http") else self.base + path)

    def press(self, name):
        """Presses a button or follows a link, and waits for the page that answers."""
        self.browser.wait(selector(name))
        old = self.browser.find("html")
        self.set_off(name)
        wait_for(f"the page after {name}", lambda: self.browser.is_gone(old))
        wait_for("the page", lambda: self.browser.has("h1"))

    def sign_in(self, person, password, remember=False):
        """Fills in the sign-in that is shown, in one step or two."""
        if self.browser.is_shown("#email"):
            self.fill("email", person.address)
        if not self.browser.is_shown("#password"):
            self.press("submit")
        self.fill("password", password)
        if remember:
            self.tick("remember_me")
        self.press("submit")


class Mouse(Hand):
    """Points and clicks; types where it has clicked."""

    def fill(self, name, text):
        self.browser.click(selector(name))
        self.browser.fill(selector(name), text)

    def tick(self, name):
        self.browser.click(selector(name))

    def set_off(self, name):
        self.browser.click(selector(name))


class Keyboard(Hand):
    """Goes from stop to stop; each stop must show that the focus is there, and be in sight."""

    def go(self, name):
        """Goes on to an element, from wherever the focus is; never backwards."""
        self.browser.wait(selector(name))
        passed = []
        for _ in range(STOPS):
            if self.is_at(name):
                self.check(name)
                return
            self.browser.keys(TAB)
            passed.append(self.browser.focus())
            assert passed.count("body") < 2, f"{name} is no stop, or lies behind: {passed}"
        raise AssertionError(f"{name} is no stop: {passed}")

    def is_at(self, name):
        with contextlib.suppress(Fault):
            return self.browser.active() == self.browser.find(selector(name))
        return False

    def check(self, name):
        """Whether one sees where the focus is (WCAG 2.4.7)."""
        wait_for(f"a mark that {name} has the focus", self.is_marked, 3)

    def is_marked(self):
        element = self.browser.active()
        style = {it: self.browser.call("GET", f"{element}/css/{it}") for it in ("outline-style", "outline-width", "box-shadow")}
        has_outline = style["outline-style"] != "none" and style["outline-width"] != "0px"
        return has_outline or style["box-shadow"] != "none"

    def fill(self, name, text):
        self.go(name)
        # What stands there is replaced, as one does it by hand.
        self.browser.chord(CONTROL, "a")
        self.browser.keys(*text)

    def tick(self, name):
        self.go(name)
        self.browser.keys(SPACE)

    def set_off(self, name):
        self.go(name)
        self.browser.keys(ENTER)


def selector(name):
    """An `id`, or a selector where there is none."""
    return f"#{name}" if name.replace("-", "").replace("_", "").isalnum() else name


def stops(browser, limit=STOPS):
    """Where the focus goes by Tab, from the page's beginning to its end."""
    found = []
    # Where Tab goes on from is kept when the focus is merely taken away.
    browser.run("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    for _ in range(limit):
        browser.keys(TAB)
        stop = browser.focus()
        if stop == "body" or (len(found) > 2 and stop == found[0]):
            break
        found.append(stop)
    return found
