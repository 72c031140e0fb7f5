"""Every page in every state: whether it keeps to WCAG 2.2 AA, fits into the window, asks nobody
else, and gives the browser no cause to complain.

While one works on a page, `STATES=sign-in,consent` looks at the states alone whose names begin so."""

import os

import accessibility
import catalogue
import oauth
from stage import staged
from webdriver import DESKTOP, PHONE, browsing

# As narrow as WCAG 1.4.10 demands, and a desktop at 200 %.
NARROW, ZOOMED = (320, 640), (640, 450)

FILES = """
return performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
  .map((it) => ({url: it.name, size: it.transferSize, by: it.initiatorType}));
"""
# What assistive technology and translators hold on to.
BONES = """
const faults = [];
const count = (selector, wanted) => {
  const found = document.querySelectorAll(selector).length;
  if (found !== wanted) faults.push(`${found} of ${selector}`);
};
count("h1", 1);
count("main", 1);
if (!document.documentElement.lang) faults.push("no language");
if (!document.title.trim()) faults.push("no title");
for (const it of document.querySelectorAll("[style], [onclick], [onsubmit], [onload]")) faults.push(`inline code or style: ${it.outerHTML.slice(0, 80)}`);
for (const it of document.querySelectorAll("[aria-describedby], [aria-controls], [aria-labelledby], label[for]")) {
  const names = ["aria-describedby", "aria-controls", "aria-labelledby", "for"].flatMap((name) => (it.getAttribute(name) || "").split(/ +/));
  for (const name of names) if (name && !document.getElementById(name)) faults.push(`nothing is called ${name}`);
}
const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: #${id}`);
return faults;
"""


def loaded(browser, base):
    """The files of the page, and the faults of where they come from."""
    files = [it for it in browser.run(FILES) if not it["url"].startswith("data:")]
    return files, [f"asks elsewhere: {it['url']}" for it in files if not it["url"].startswith(base + "/")]


def too_wide(browser):
    for width, height in (NARROW, ZOOMED, PHONE, DESKTOP):
        browser.size(width, height)
        if (more := browser.width()) > 0:
            yield f"{more} px too wide at {width}"


def faults_of(state, stage, number):
    """Everything that is wrong with a state."""
    browser = stage.browser
    browser.complaints()
    state.reach(stage)
    _, faults = loaded(browser, stage.base)
    faults += browser.run(BONES)
    faults += too_wide(browser)
    faults += accessibility.audit(browser, number)
    return faults + browser.complaints()


def test_every_state(world):
    oauth.installed()
    wrong = []
    with staged(world) as stage, browsing(world, "states") as stage.browser:
        stage.browser.expected += ["status of 401", "status of 403", "status of 404", "status of 429"]
        stage.browser.call("POST", "/timeouts", {"script": 20_000})
        states = catalogue.states(*os.environ.get("STATES", "").split(","))
        for number, state in enumerate(states):
            try:
                faults = faults_of(state, stage, number)
            except Exception as fault:
                faults = [f"not reached: {type(fault).__name__} {fault}"]
            if faults:
                stage.browser.keep(f"state-{state.name}")
                wrong += [f"{state.name}: {it}" for it in faults]
    world.notes.append(f"({len(states)} states)")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_judge_sees_faults(world):
    """What finds nothing on any page must be seen to find something."""
    oauth.installed()
    with staged(world, "acme") as stage, browsing(world, "judge") as stage.browser:
        stage.browser.call("POST", "/timeouts", {"script": 20_000})
        stage.open("/t/acme/login")
        stage.browser.wait("#email")
        assert accessibility.audit(stage.browser) == []
        stage.browser.run("document.querySelector('label[for=email]').remove()")
        stage.browser.run("document.querySelector('h1').style.cssText = 'color: #999; background: #aaa; width: 2000px'")
        faults = "\n".join([*accessibility.audit(stage.browser), *stage.browser.run(BONES), *too_wide(stage.browser)])
        for rule in ("label (", "color-contrast (", "inline code or style", "px too wide at 320"):
            assert rule in faults, (rule, faults)


def test_the_sign_in_is_light(world):
    """Three files at most, and not more than a slow telephone line brings in a second."""
    with staged(world, "acme") as stage, browsing(world, "light") as stage.browser:
        for path in ("/t/acme/login", stage.request(stage.asking())):
            stage.open(path)
            stage.browser.wait("#email")
            files, faults = loaded(stage.browser, stage.base)
            # What the script asks for when all is there keeps nobody waiting.
            files = [it for it in files if it["by"] != "fetch"]
            size = sum(it["size"] for it in files)
            assert not faults and len(files) <= 3 and size <= 30 * 1024, (size, files, faults)
    world.notes.append(f"({len(files)} files, {size} bytes)")
