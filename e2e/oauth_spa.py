"""oidc-client-ts in Chromium: a page without a server of its own signs people in, calls us from its
origin, and renews what it has in both ways."""

import contextlib
import http.server
import json
import threading

import oauth
from oauth import CLIENTS, GRACE, app
from support import PASSWORD, wait_for
from webdriver import browsing

CALL = """
const [name, args, done] = arguments;
calls[name](...args).then((value) => done({value}), (fault) => done({fault: String(fault), error: fault.error}));
"""
BUNDLE = CLIENTS / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"


class Site:
    """The page's own origin: files, and nothing that could keep a secret."""

    def __init__(self):
        self.settings = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = site.file(self.path.partition("?")[0])
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def file(self, path):
        if path == "/oidc-client-ts.js":
            return "text/javascript", BUNDLE.read_bytes()
        if path == "/settings.js":
            return "text/javascript", f"const settings = {json.dumps(self.settings)};".encode()
        return "text/html", (CLIENTS / "spa.html").read_bytes()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Page:
    """The page in a browser."""

    def __init__(self, browser, site):
        self.browser, self.site = browser, site
        browser.call("POST", "/timeouts", {"script": 30_000})

    def open(self):
        self.browser.open(f"{self.site.origin}/")
        wait_for("the page", lambda: self.browser.shows("ready"))

    def call(self, name, *args):
        return self.browser.call("POST", "/execute/async", {"script": CALL, "args": [name, list(args)]})

    def good(self, name, *args):
        answer = self.call(name, *args)
        assert "fault" not in answer, answer
        return answer["value"]

    def go(self, name):
        """A call that leaves the page, and so never answers."""
        self.browser.call("POST", "/execute/sync", {"script": f"calls.{name}()", "args": []})

    def url(self):
        return self.browser.url()

    def sign_in(self, server):
        self.go("signIn")
        wait_for("the login page", lambda: "/t/acme/login" in self.url() and self.browser.call("POST", "/elements", {"using": "css selector", "value": "#submit"}))
        self.browser.type("#email", GRACE)
        self.browser.type("#password", PASSWORD)
        self.browser.click("#submit")
        wait_for("the way back", lambda: self.browser.shows("signed in"))


@contextlib.contextmanager
def prepared(world, name, scope, *, origins=True, **metadata):
    oauth.installed()
    site, server = Site(), world.server()
    # One site with the page's, as a product's own login would be: a frame brings its cookies along.
    server.base = server.settings["PUBLIC_URL"] = f"http://localhost:{server.port}"
    server.tenant().user(GRACE).start()
    made = app(
        server,
        "A page",
        "spa",
        redirect_uris=[f"{site.origin}/callback", f"{site.origin}/silent"],
        post_logout_redirect_uris=[f"{site.origin}/"],
        allowed_origins=[site.origin] if origins else ["https://elsewhere.example.com"],
        allowed_scopes=["openid", "profile", "email", "offline_access"],
        **metadata,
    )
    assert made["client_secret"] is None
    site.settings = {"authority": oauth.issuer(server), "client_id": made["client_id"], "scope": scope}
    try:
        with browsing(world, name) as browser:
            page = Page(browser, site)
            page.open()
            yield server, page
    finally:
        site.close()


def test_renewing_by_refresh_token(world):
    with prepared(world, "spa_refresh_token", "openid profile email offline_access") as (server, page):
        page.sign_in(server)
        user = page.good("user")
        assert user["profile"]["email"] == GRACE and user["refresh_token"], user
        new = page.good("renew")
        assert new["access_token"] != user["access_token"] and new["refresh_token"] != user["refresh_token"], new
        userinfo = f"{server.base}/api/v1/auth/tenants/acme/oauth/userinfo"
        assert page.good("ask", userinfo, new["access_token"])["body"]["email"] == GRACE
        page.browser.expected.append("status of 401")
        # A refusal, too, can be read from the page's origin.
        assert page.good("ask", userinfo, "nonsense")["body"]["error"] == "invalid_token"
        page.good("revoke")
        assert page.good("ask", userinfo, new["access_token"])["status"] == 401


def test_renewing_in_a_frame(world):
    with prepared(world, "spa_frame", "openid profile email") as (server, page):
        page.sign_in(server)
        user = page.good("user")
        assert not user["refresh_token"], user
        new = page.good("renewInFrame")
        assert new["access_token"] != user["access_token"], new
        assert new["profile"]["sub"] == user["profile"]["sub"], new


def test_signing_out(world):
    with prepared(world, "spa_signing_out", "openid profile email") as (server, page):
        page.sign_in(server)
        page.go("signOut")
        wait_for("the way back", lambda: page.url().startswith(page.site.origin) and page.browser.shows("ready"))
        assert page.good("user") is None
        page.go("signIn")
        wait_for("the login page again", lambda: "/t/acme/login" in page.url())


def test_a_page_of_another_origin(world):
    with prepared(world, "spa_other_origin", "openid", origins=False) as (server, page):
        page.browser.expected += ["CORS policy", "net::ERR_FAILED"]
        page.go("signIn")
        wait_for("the login page", lambda: "/t/acme/login" in page.url())
        page.browser.type("#email", GRACE)
        page.browser.type("#password", PASSWORD)
        page.browser.click("#submit")
        wait_for("the fault", lambda: page.browser.shows("failed: typeerror: failed to fetch"))
