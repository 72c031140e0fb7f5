"""What the pages are shown on: a server with tenants, people, applications and mail, and the ways
that lead from page to page. The scenarios and the catalogue of states stand on it."""

import base64
import contextlib
import hashlib
import http.server
import itertools
import json
import re
import shutil
import sqlite3
import threading
import urllib.parse

import oauth
from factors import App, me, portal
from support import PASSWORD, MailServer, Skip, smtp, wait_for
from webdriver import PHONE

NEW_PASSWORD = "an entirely different phrase"
# Tenants by what they ask of people.
TENANTS = {
    "acme": ["registration.enabled=true", "oauth.registration=open", "account.self_deletion=true"],
    "strict": ["mfa.required=true", "mfa.email_allowed=false"],
    "puzzles": ["registration.enabled=true", "registration.captcha=proof_of_work"],
    "guarded": ["captcha.sign_in=always", "captcha.recovery=always"],
    "approval": ["registration.enabled=true", "registration.email_verification=false", "registration.approval=true"],
    "open": ["registration.enabled=true", "registration.email_verification=false"],
    "steps": ["registration.enabled=true", "sign_in.form=email_first"],
    "unproved": ["mfa.required=true", "registration.email_verification=false"],
}
NAMES = {"acme": "Acme Gardens", "strict": "Strict & Sons"}
VERIFIER = "a-verifier-that-is-long-enough-for-anybody-who-counts-characters"


class Landing:
    """An application's own address: it says that somebody came back, and keeps what he brought."""

    def __init__(self):
        self.arrivals = []
        landing = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if "/callback" in self.path:
                    query = urllib.parse.urlparse(self.path).query
                    landing.arrivals.append(dict(urllib.parse.parse_qsl(query)))
                body = b"<!doctype html><html lang=en><title>Back</title><link rel=icon href=data:,><main><h1>back at the application</h1></main>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Person:
    """Somebody with an account, and what he has at hand to sign in with."""

    def __init__(self, stage, address, tenant):
        self.stage, self.address, self.tenant = stage, address, tenant
        self.app, self.backup_codes = None, []

    @property
    def mails(self):
        return self.stage.mail.to(self.address)

    def mail(self, words):
        """The newest mail with these words in it."""
        return wait_for(f"a mail with {words!r}", lambda: next((it for it in reversed(self.mails) if words in it.text), None))

    def mailed_code(self, after=0):
        """The code of the newest mail that has one, of those that came later than the first so many."""
        is_code = re.compile(r"\b\d{6}\b")
        mail = wait_for("a mailed code", lambda: next((it for it in reversed(self.mails[after:]) if is_code.search(it.text)), None))
        return is_code.search(mail.text).group(0)

    def login(self, password=PASSWORD):
        """The status of a sign-in by the API."""
        return self.stage.server.client().api("login", self.tenant, email=self.address, password=password).status

    def token(self):
        """An access token for the account, before there are second factors."""
        return portal(self.stage.server, "login", email=self.address, password=PASSWORD).data["access_token"]

    def enrol(self, *methods):
        """Sets up second factors: `totp`, `email`."""
        token = self.token()
        if "email" in methods:
            known = len(self.mails)
            me(self.stage.server, token, "POST", "/mfa/email/enable").data
            confirmed = me(self.stage.server, token, "POST", "/mfa/email/confirm", code=self.mailed_code(known)).data
            # They come with the first factor.
            self.backup_codes = confirmed.get("backup_codes") or []
        if "totp" in methods:
            offer = me(self.stage.server, token, "POST", "/mfa/totp/setup").data
            self.app = App(offer["secret"])
            # The code of the step before: the present one is still good afterwards.
            confirmed = me(self.stage.server, token, "POST", "/mfa/totp/confirm", code=self.app.code(-1)).data
            self.backup_codes = confirmed.get("backup_codes") or self.backup_codes
        return self


class Stage:
    """A server that runs, what is on it, and a browser that looks at it."""

    def __init__(self, world, tenants):
        if not shutil.which("oathtool"):
            raise Skip("no oathtool")
        self.world, self.mail, self.landing = world, MailServer(), Landing()
        self.server = world.server({"MAIL__SMTP_URL": smtp(self.mail)})
        # Passkeys want a name, not an address.
        self.server.base = self.server.settings["PUBLIC_URL"] = f"http://localhost:{self.server.port}"
        for slug in tenants or TENANTS:
            settings = TENANTS[slug]
            named = ["--name", NAMES.get(slug, slug.replace("-", " ").capitalize())]
            allowed = f'allowed_return_urls=["{self.landing.origin}/callback"]'
            self.server.command("tenant", "create", slug, *named, *(part for it in [*settings, allowed] for part in ("--set", it)))
        self.server.start()
        # People and applications that several states share.
        self.numbers, self.apps, self.people, self.browser = itertools.count(1), {}, {}, None

    def close(self):
        self.mail.close()
        self.landing.close()

    @property
    def base(self):
        return self.server.base

    # People.

    def address(self, name="grace"):
        """An address that nobody has had."""
        return f"{name}.{next(self.numbers)}@example.com"

    def person(self, tenant="acme", address=None, *flags):
        person = Person(self, address or self.address(), tenant)
        names = ["--first-name", "Grace", "--last-name", "Hopper"]
        self.server.command("user", "create", "--tenant", tenant, person.address, *names, "--password-stdin", *flags, given=PASSWORD + "\n")
        return person

    def known(self, address, tenant="acme"):
        """Somebody who has made the account himself."""
        return Person(self, address, tenant)

    def registration(self, tenant="acme"):
        """Somebody who has registered and not yet proved his address."""
        person = Person(self, self.address(), tenant)
        answer = self.server.client().api("register", tenant, email=person.address, password=PASSWORD, first_name="Grace", last_name="Hopper")
        assert answer.data["status"] == "pending_verification", answer.text
        return person

    def failures(self, person, count):
        """Wrong passwords for somebody's account."""
        for _ in range(count):
            self.server.client().api("login", person.tenant, email=person.address, password="not the password at all")

    def grow_old(self):
        """Lets every proof of who it is be older than the account's pages want it."""
        with contextlib.closing(sqlite3.connect(self.server.data / "countersign.db", timeout=10)) as database, database:
            database.execute("UPDATE sessions SET proved_at = proved_at - 600000000")

    # Applications.

    def app(self, name, kind="web", tenant="acme", **metadata):
        """An application, made once."""
        key = (name, tenant)
        if key not in self.apps:
            back = {"redirect_uris": [f"{self.landing.origin}/callback"], "post_logout_redirect_uris": [f"{self.landing.origin}/bye"]}
            self.apps[key] = oauth.app(self.server, name, kind, tenant, **{**back, **metadata})
        return self.apps[key]

    def asking(self, **more):
        """An application of somebody else's, for which people are asked."""
        return self.app("Garden Planner", first_party=False, policy_uri="https://planner.example.com/privacy", tos_uri="https://planner.example.com/terms", **more)

    def self_registered(self):
        """An application that nobody here has looked at."""
        if "self" not in self.apps:
            body = json.dumps({"client_name": "Wholly Harmless", "redirect_uris": ["https://harmless.example.com/cb"], "scope": "openid email"}).encode()
            made = self.server.client().send("POST", "/api/v1/auth/tenants/acme/oauth/register", body, "application/json")
            assert made.status == 201, made.text
            self.apps["self"] = made.json
        return self.apps["self"]

    def request(self, app, tenant="acme", **parameters):
        """The address by which an application sends people here."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        given = {
            "response_type": "code",
            "client_id": app["client_id"],
            "redirect_uri": app.get("redirect_uris", [f"{self.landing.origin}/callback"])[0],
            "scope": "openid profile email",
            "state": "a-state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        realm = f"auth/tenants/{tenant}" if tenant else "platform"
        return f"{self.base}/api/v1/{realm}/oauth/authorize?{urllib.parse.urlencode(given)}"

    # The way from page to page.

    def fresh(self):
        """The browser of somebody who has never been here."""
        self.browser.unplug()
        self.browser.forget()
        self.browser.size(*PHONE)
        self.browser.prefer("light")

    def open(self, path):
        self.browser.open(path if path.startswith("http") else self.base + path)

    def send(self, **fields):
        """Fills fields in and sends their form off."""
        for name, text in fields.items():
            self.browser.fill(f"#{name}", text)
        self.press("#submit")

    def press(self, selector):
        """Presses a button and waits for the page that answers."""
        old = self.browser.find("html")
        self.browser.click(selector)
        wait_for(f"the page after {selector}", lambda: self.browser.is_gone(old))

    def fill_in(self, address, password=PASSWORD):
        """Fills in the sign-in that is shown, in one step or two."""
        if self.browser.is_shown("#email"):
            self.browser.fill("#email", address)
        if not self.browser.is_shown("#password"):
            self.press("#submit")
        self.browser.fill("#password", password)

    def enter(self, address, password=PASSWORD):
        """Fills in the sign-in that is shown, and sends it off."""
        self.fill_in(address, password)
        self.press("#submit")

    def sign_in(self, person, path=None, password=PASSWORD):
        self.open(path or f"/t/{person.tenant}/login")
        self.enter(person.address, password)

    def at_second_step(self, *methods, person=None):
        """Somebody before his second step."""
        person = person or self.person().enrol(*methods)
        self.sign_in(person)
        self.browser.wait_url("/mfa")
        return person

    def with_passkey(self, tenant="strict"):
        """Somebody whose second factor is a passkey, which the browser has; signed in."""
        person = self.person(tenant)
        self.browser.plug_in()
        with self.browser.without_autofill():
            self.sign_in(person)
            self.browser.wait("#method-webauthn, [data-passkey=create]")
            if self.browser.has("#method-webauthn"):
                self.press("#method-webauthn")
            self.press("[data-passkey=create]")
            self.browser.wait("#backup-codes")
        return person


@contextlib.contextmanager
def staged(world, *tenants):
    """A stage with these tenants, or with all."""
    stage = Stage(world, tenants)
    try:
        yield stage
    finally:
        stage.close()
