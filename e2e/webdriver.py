"""A browser for the scenarios: Chromium by the W3C WebDriver protocol, and by its DevTools where
that protocol has no word for what is wanted. The standard library only."""

import base64
import contextlib
import json
import pathlib
import subprocess
import urllib.error
import urllib.request

from support import free_port, wait_for

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
    # Bars take width from the page that is measured.
    "--hide-scrollbars",
]
PHONE, TABLET, DESKTOP = (360, 740), (768, 1024), (1280, 900)

TAB, ENTER, SPACE, SHIFT, CONTROL = "\ue004", "\ue007", " ", "\ue008", "\ue009"
NO_AUTOFILL = """
if (window.PublicKeyCredential) {
  PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false);
  PublicKeyCredential.getClientCapabilities = () => Promise.resolve({conditionalGet: false});
}
"""


class Fault(Exception):
    """What the driver answers instead of doing what it was told."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message.splitlines()[0] if message else ''}")
        self.name = name


class Browser:
    """Chromium, with one window at first."""

    def __init__(self, world, scripts=True, cookies=True, size=PHONE, language="en"):
        # Refusals that a scenario asks for.
        self.expected = ["status of 400"]
        self.authenticator = None
        self.wanted_size = size
        port = free_port()
        world.spawn(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        wait_for("chromedriver", self.is_ready)
        preferences = {"intl.accept_languages": language}
        if not scripts:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        if not cookies:
            preferences["profile.default_content_setting_values.cookies"] = 2
        options = {
            "args": [*FLAGS, f"--user-data-dir={world.folder}/browser-{port}", f"--window-size={size[0]},{size[1]}"],
            "prefs": preferences,
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"
        self.settle()

    # The protocol.

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.call("GET", "/status")["ready"]

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise Fault(value["error"], value["message"]) from None

    def tools(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        """What a script on the page returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """What a script on the page hands to its last argument."""
        return self.call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    # Where it is.

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def url(self):
        return self.call("GET", "/url")

    def title(self):
        return self.call("GET", "/title")

    def source(self):
        return self.call("GET", "/source")

    def back(self):
        self.call("POST", "/back")

    def forward(self):
        self.call("POST", "/forward")

    def reload(self):
        self.call("POST", "/refresh")

    # What is on the page.

    def handle(self, selector):
        """An element, to be handed to a script."""
        return self.call("POST", "/element", {"using": "css selector", "value": selector})

    def find(self, selector):
        return f"/element/{self.handle(selector)[ELEMENT]}"

    def has(self, selector):
        return bool(self.call("POST", "/elements", {"using": "css selector", "value": selector}))

    def is_shown(self, selector):
        """Whether there is such an element and it can be seen."""
        with contextlib.suppress(Fault):
            return self.call("GET", self.find(selector) + "/displayed")
        return False

    def is_gone(self, element):
        """Whether the page that had this element has given way to another."""
        with contextlib.suppress(Fault):
            self.call("GET", f"{element}/name")
            return False
        return True

    def text(self, selector="main"):
        return self.call("GET", self.find(selector) + "/text")

    def value(self, selector):
        return self.call("GET", self.find(selector) + "/property/value")

    def attribute(self, selector, name):
        return self.call("GET", self.find(selector) + f"/attribute/{name}")

    def is_checked(self, selector):
        return self.call("GET", self.find(selector) + "/selected")

    def shows(self, *words):
        """Whether the page holds these words by now; it may still be on its way."""
        with contextlib.suppress(Fault):
            text = self.text().lower()
            return all(word in text for word in words)

    def wait(self, selector, seconds=10):
        """Waits until the page has such an element, and it can be seen."""
        wait_for(f"{selector} at {self.url()}", lambda: self.is_shown(selector), seconds)

    def wait_words(self, *words, seconds=10):
        wait_for(f"the words {words}", lambda: self.shows(*words), seconds)

    def wait_url(self, part, seconds=10):
        wait_for(f"{part} in the address, not {self.url()}", lambda: part in self.url(), seconds)

    # By mouse and by keyboard.

    def click(self, selector):
        self.call("POST", self.find(selector) + "/click")

    def type(self, selector, text):
        self.call("POST", self.find(selector) + "/value", {"text": text})

    def fill(self, selector, text):
        """Types into a field in the place of what is in it."""
        self.call("POST", self.find(selector) + "/clear")
        self.type(selector, text)

    def keys(self, *keys):
        """Presses keys, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def chord(self, held, key):
        """Presses a key while another is held."""
        actions = [{"type": "keyDown", "value": held}, {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}, {"type": "keyUp", "value": held}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def caps_lock(self, selector):
        """Presses a key in a field while Caps Lock is on, which the driver knows nothing of."""
        self.click(selector)
        self.run("arguments[0].dispatchEvent(new KeyboardEvent('keydown', {key: 'A', bubbles: true, modifierCapsLock: true}))", self.handle(selector))

    def active(self):
        element = self.call("GET", "/element/active")
        return f"/element/{element[ELEMENT]}"

    def focused(self):
        return self.call("GET", self.active() + "/name")

    def focus(self):
        """What has the focus: the `id`, else the name of a field, else the kind of element."""
        element = self.active()
        for name in ("id", "name"):
            if value := self.call("GET", f"{element}/attribute/{name}"):
                return value
        return self.call("GET", f"{element}/name")

    # How it shows.

    def settle(self):
        """Makes a new window what was asked for."""
        # It is in front, whatever else the machine does.
        self.tools("Emulation.setFocusEmulationEnabled", enabled=True)
        # A window is never as narrow as a phone; what it shows can be.
        self.size(*self.wanted_size)

    def size(self, width, height=740, scale=1):
        self.tools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def prefer(self, scheme="light", motion="no-preference"):
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.tools("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in wishes.items()])

    def speak(self, language):
        """The language that it asks for from now on."""
        agent = self.tools("Browser.getVersion")["userAgent"]
        self.tools("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def width(self):
        """How much wider than the window the page is; on a phone nobody scrolls sideways."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")

    def picture(self, kind="png", **more):
        """The whole page, as far down as it goes."""
        page = self.tools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": page["width"], "height": min(page["height"], 4000), "scale": 1}
        shot = self.tools("Page.captureScreenshot", format=kind, captureBeyondViewport=True, clip=clip, **more)
        return base64.b64decode(shot["data"])

    # What it keeps, and whom it asks.

    def cookies(self):
        return {it["name"]: it for it in self.call("GET", "/cookie")}

    def forget(self):
        """Loses every cookie of every host."""
        self.tools("Network.clearBrowserCookies")

    def windows(self):
        return self.call("GET", "/window/handles")

    def window(self):
        return self.call("GET", "/window")

    def new_tab(self):
        """Opens a tab and goes to it; its handle."""
        handle = self.call("POST", "/window/new", {"type": "tab"})["handle"]
        self.go_to(handle)
        self.settle()
        return handle

    def go_to(self, handle):
        self.call("POST", "/window", {"handle": handle})

    def plug_in(self, **more):
        """Another authenticator in the place of the one at hand."""
        self.unplug()
        kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True, **more}
        self.authenticator = self.call("POST", "/webauthn/authenticator", kind)

    def unplug(self):
        if self.authenticator:
            self.call("DELETE", f"/webauthn/authenticator/{self.authenticator}")
        self.authenticator = None

    def credentials(self):
        return self.call("GET", f"/webauthn/authenticator/{self.authenticator}/credentials")

    def verifies(self, succeeds):
        """Whether finger or PIN are the owner's from now on."""
        self.call("POST", f"/webauthn/authenticator/{self.authenticator}/uv", {"isUserVerified": succeeds})

    @contextlib.contextmanager
    def without_autofill(self):
        """The browser as one that offers no passkeys in a form's fields; the virtual one would choose by itself."""
        made = self.tools("Page.addScriptToEvaluateOnNewDocument", source=NO_AUTOFILL)
        yield
        self.tools("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])

    # What went wrong.

    def complaints(self):
        entries = self.call("POST", "/se/log", {"type": "browser"})
        severe = [it["message"] for it in entries if it["level"] == "SEVERE"]
        return [it for it in severe if not any(words in it for words in self.expected)]

    def keep(self, name):
        """Keeps what each window shows: its picture and its source."""
        FAILURES.mkdir(exist_ok=True)
        handles = self.windows()
        for number, handle in enumerate(handles):
            with contextlib.suppress(OSError, Fault):
                self.go_to(handle)
                file = name if len(handles) == 1 else f"{name}-{number + 1}"
                (FAILURES / f"{file}.html").write_text(f"<!-- {self.url()} -->\n{self.source()}")
                (FAILURES / f"{file}.png").write_bytes(self.picture())


@contextlib.contextmanager
def browsing(world, name, **more):
    """A browser that leaves pictures behind where something fails, and does not complain itself."""
    browser = Browser(world, **more)
    try:
        yield browser
        complaints = browser.complaints()
        assert not complaints, f"the browser complains: {complaints}"
    except Exception:
        # What went wrong is more important than that it cannot be photographed.
        with contextlib.suppress(OSError, Fault):
            browser.keep(name)
        raise
    finally:
        # Chromium outlives a killed chromedriver.
        with contextlib.suppress(OSError, Fault):
            browser.call("DELETE", "")
