"""An application in front of the pages: oidc-client-ts sends somebody who uses the keyboard alone
through sign-in, second step and consent, and has its tokens at the end."""

from factors import enrolled, portal
from hands import Keyboard
from oauth import GRACE
from oauth_spa import prepared
from support import PASSWORD, wait_for
from webdriver import DESKTOP


def begun(page):
    """The application has sent its person to the sign-in."""
    page.go("signIn")
    wait_for("the sign-in", lambda: page.browser.is_shown("#email"))
    assert "a page" in page.browser.text("#application").lower()


def through_the_step(hand, app):
    hand.fill("email", GRACE)
    if not hand.browser.is_shown("#password"):
        hand.press("submit")
    hand.fill("password", PASSWORD)
    hand.press("submit")
    hand.fill("code", app.code())
    hand.press("submit")


def test_by_keyboard(world):
    with prepared(world, "application_keyboard", "openid profile email", first_party=False) as (server, page):
        page.browser.size(*DESKTOP)
        token = portal(server, "login", email=GRACE, password=PASSWORD).data["access_token"]
        app, _ = enrolled(server, token)
        hand = Keyboard(page.browser, server.base)
        # No is an answer, too.
        begun(page)
        through_the_step(hand, app)
        hand.set_off("deny")
        wait_for("the refusal", lambda: page.browser.shows("failed") and "error=access_denied" in page.url())
        page.open()
        page.go("signIn")
        # Still signed in, but nothing is allowed yet.
        wait_for("the question", lambda: page.browser.is_shown("#allow"))
        asked = [it for it in ("openid", "profile", "email") if page.browser.has(f"#scopes [data-scope={it}]")]
        assert asked == ["openid", "profile", "email"], asked
        hand.set_off("allow")
        wait_for("the way back", lambda: page.browser.shows("signed in"))
        user = page.good("user")
        assert user["profile"]["email"] == GRACE and user["profile"]["name"] == "Grace Hopper", user
        # What was allowed is not asked again.
        old = page.browser.find("html")
        page.go("signIn")
        wait_for("the way away", lambda: page.browser.is_gone(old))
        wait_for("the way back", lambda: page.browser.shows("signed in"))
        page.go("signOut")
        wait_for("the way back", lambda: page.url().startswith(page.site.origin) and page.browser.shows("ready"))
        assert page.good("user") is None
