"""axe-core on a page: the rules of WCAG 2.2 A and AA and what is good practice besides."""

import oauth
from webdriver import DESKTOP, PHONE

AXE = oauth.CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

RUN = """
const [tags, done] = arguments;
// What moves has not its own colours while it does; the result must not hang on the moment.
document.getAnimations().forEach((it) => it.finish());
axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations", "incomplete"]})
  .then((it) => done({violations: it.violations, incomplete: it.incomplete}), (fault) => done({fault: String(fault)}));
"""


def named(results):
    """One line for each element with a fault: the rule, where, and why."""
    for rule in results:
        for node in rule["nodes"]:
            reasons = [it["message"] for kind in ("any", "all", "none") for it in node[kind]]
            yield f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {'; '.join(reasons) or rule['help']}"


def examine(browser):
    """The faults of the page as it is shown now."""
    if not browser.run("return !!window.axe"):
        # By way of the driver, so that the page's policy for scripts need not let it in.
        browser.run(f"{AXE.read_text()}; window.axe = axe;")
    result = browser.run_async(RUN, TAGS)
    assert "fault" not in result, result
    return list(named(result["violations"]))


def audit(browser, number=0):
    """The faults of a page in both schemes, at the width of a phone and of a desktop.

    Colours do not hang on the width, nor the order of headings on the scheme; so the two are
    paired, and the pairs take turns from page to page by its number."""
    sizes = [PHONE, DESKTOP] if number % 2 == 0 else [DESKTOP, PHONE]
    faults = []
    for scheme, size in zip(("light", "dark"), sizes):
        browser.prefer(scheme)
        browser.size(*size)
        faults += [f"{scheme} {size[0]}: {fault}" for fault in examine(browser)]
    return faults
