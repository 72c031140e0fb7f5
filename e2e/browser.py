"""The pages behind the mailed links in a real browser, by mouse and by keyboard."""

import base64
import contextlib
import json
import pathlib
import subprocess
import urllib.error
import urllib.request

from support import PASSWORD, MailServer, free_port, smtp, wait_for

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FAILURES = pathlib.Path(__file__).parent / "failures"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Browser:
    """Chromium by the W3C WebDriver protocol."""

    def __init__(self, world, scripts=True):
        # Refusals that a scenario asks for.
        self.expected = ["status of 400"]
        port = free_port()
        world.spawn(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        wait_for("chromedriver", self.is_ready)
        options = {"args": [*FLAGS, f"--user-data-dir={world.folder}/browser-{port}", "--window-size=360,740"]}
        if not scripts:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.call("GET", "/status")["ready"]

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def find(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[ELEMENT]}"

    def text(self, selector="main"):
        return self.call("GET", self.find(selector) + "/text")

    def shows(self, *words):
        """Whether the page holds these words by now; it may still be on its way."""
        with contextlib.suppress(urllib.error.HTTPError):
            text = self.text().lower()
            return all(word in text for word in words)

    def click(self, selector):
        self.call("POST", self.find(selector) + "/click")

    def type(self, selector, text):
        self.call("POST", self.find(selector) + "/value", {"text": text})

    def keys(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        element = self.call("GET", "/element/active")
        return self.call("GET", f"/element/{element[ELEMENT]}/name")

    def complaints(self):
        entries = self.call("POST", "/se/log", {"type": "browser"})
        severe = [it["message"] for it in entries if it["level"] == "SEVERE"]
        return [it for it in severe if not any(words in it for words in self.expected)]

    def width(self):
        """How much wider than the window the page is; on a phone nobody scrolls sideways."""
        script = "return document.documentElement.scrollWidth - window.innerWidth"
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def keep(self, name):
        FAILURES.mkdir(exist_ok=True)
        (FAILURES / f"{name}.png").write_bytes(base64.b64decode(self.call("GET", "/screenshot")))
        (FAILURES / f"{name}.html").write_text(self.call("GET", "/source"))


@contextlib.contextmanager
def browsing(world, name, **more):
    browser = Browser(world, **more)
    try:
        yield browser
        assert not browser.complaints(), "the browser complains"
    except Exception:
        # What went wrong is more important than that it cannot be photographed.
        with contextlib.suppress(OSError):
            browser.keep(name)
        raise
    finally:
        # Chromium outlives a killed chromedriver.
        with contextlib.suppress(OSError):
            browser.call("DELETE", "")


def prepared(world):
    mail = MailServer()
    server = world.server({"MAIL__SMTP_URL": smtp(mail)}).tenant().start()
    assert server.client().register("grace@example.com").status == 200
    return server, mail, mail.wait("grace@example.com")


def test_confirming_by_mouse(world):
    server, mail, received = prepared(world)
    with browsing(world, "confirming_by_mouse") as browser:
        browser.open(received.link)
        assert "Grace Hopper" in browser.text()
        assert browser.width() <= 0
        assert server.client().login("grace@example.com").status == 401
        browser.click("button[type=submit]")
        wait_for("the confirmation", lambda: browser.shows("confirmed"))
    assert server.client().login("grace@example.com").data["status"] == "success"
    mail.close()


def test_confirming_by_keyboard_without_scripts(world):
    server, mail, received = prepared(world)
    with browsing(world, "confirming_by_keyboard", scripts=False) as browser:
        browser.open(received.link)
        for _ in range(10):
            browser.keys("\ue004")
            if browser.focused() == "button":
                break
        browser.keys("\ue007")
        wait_for("the confirmation", lambda: browser.shows("confirmed"))
    assert server.client().login("grace@example.com").data["status"] == "success"
    mail.close()


def test_setting_a_new_password(world):
    server, mail, received = prepared(world)
    assert server.client().verify(received.token).status == 200
    assert server.client().api("forgot-password", email="grace@example.com").status == 200
    reset = wait_for("the reset mail", lambda: next((it for it in mail.to("grace@example.com") if "reset-password" in it.text), None))
    with browsing(world, "setting_a_new_password") as browser:
        browser.open(reset.link)
        wait_for("the token to leave the address bar", lambda: reset.token not in browser.call("GET", "/url"))
        assert browser.width() <= 0
        browser.type("input[name=password]", "acme acme acme acme")
        browser.click("button[type=submit]")
        wait_for("the reasons", lambda: browser.shows("organisation"))
        browser.type("input[name=password]", "an entirely different phrase\ue007")
        wait_for("the end", lambda: browser.shows("password", "sign in"))
        browser.open(reset.link)
        wait_for("the dead link's page", lambda: browser.shows("link"))
    assert server.client().login("grace@example.com", PASSWORD).status == 401
    assert server.client().login("grace@example.com", "an entirely different phrase").status == 200
    mail.close()
