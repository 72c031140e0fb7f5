"""A television and a phone: the one shows a code, and somebody who has not signed in yet opens the
address on the other."""

import base64
import time

import oauth
from oauth import GRACE, app
from support import PASSWORD, wait_for
from webdriver import browsing

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Television:
    def __init__(self, server):
        self.client = server.client()
        self.known = app(server, "Television", "web", allowed_scopes=["openid", "email"])
        pair = base64.b64encode("{client_id}:{client_secret}".format(**self.known).encode()).decode()
        self.client.opener.addheaders = [("Authorization", f"Basic {pair}")]
        self.metadata = self.client.get(f"{oauth.issuer(server)}/.well-known/openid-configuration").json
        begun = self.client.form(self.metadata["device_authorization_endpoint"], scope="openid email")
        assert begun.status == 200, begun.text
        self.code = begun.json

    def poll(self):
        """The answer, or the error's name."""
        answer = self.client.form(self.metadata["token_endpoint"], grant_type=GRANT, device_code=self.code["device_code"])
        return answer.json.get("error", answer.json)


def decide(world, name, button, end):
    """Opens the address, signs in, and says a word; the television."""
    server = oauth.server(world)
    television = Television(server)
    assert television.poll() == "authorization_pending"
    with browsing(world, name) as browser:
        browser.open(television.code["verification_uri_complete"])
        wait_for("the login page", lambda: "/login" in browser.url())
        browser.type("#email", GRACE)
        browser.type("#password", PASSWORD)
        browser.click("#submit")
        # The code is filled in, but whoever sent the address must not be the one to send it off.
        wait_for("the device's page", lambda: browser.url().startswith(f"{server.base}/t/acme/device"), 10)
        filled = browser.call("GET", browser.find("#user_code") + "/property/value")
        assert filled == television.code["user_code"], filled
        browser.click("#submit")
        wait_for("the question", lambda: browser.shows("television", GRACE))
        assert browser.width() <= 0
        browser.click(button)
        wait_for("the end", lambda: browser.shows("your device", end))
    return television


def answered(television):
    # No faster than it was told to.
    time.sleep(television.code["interval"])
    return television.poll()


def test_allowing(world):
    tokens = answered(decide(world, "device_allowing", "#allow", "connected"))
    assert tokens["access_token"] and tokens["id_token"], tokens


def test_denying(world):
    assert answered(decide(world, "device_denying", "#deny", "not let in")) == "access_denied"
