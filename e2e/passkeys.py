"""Passkeys in a real browser: Chromium's virtual authenticators answer the server's options.

The API is called by script on a page of the server, as a page of a tenant's own would do it: what
`parseCreationOptionsFromJSON` and `toJSON` make of the wire's JSON is the browser's word, not ours.
"""

import contextlib

from support import PASSWORD
from webdriver import browsing

GRACE = "grace@example.com"

FETCH = """
const [method, path, body, headers, done] = arguments;
const options = {method, headers: {"Content-Type": "application/json", ...headers}};
if (method !== "GET") options.body = JSON.stringify(body);
fetch(path, options)
  .then(async (it) => done({status: it.status, body: await it.json()}))
  .catch((fault) => done({fault: String(fault)}));
"""

CREATE = """
const [options, done] = arguments;
const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
navigator.credentials.create({publicKey})
  .then((it) => done({credential: it.toJSON()}), (fault) => done({fault: fault.name}));
"""

GET = """
const [options, mediation, patience, done] = arguments;
const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
const signal = AbortSignal.timeout(patience);
navigator.credentials.get({publicKey, mediation, signal})
  .then((it) => done({credential: it.toJSON()}), (fault) => done({fault: fault.name}));
"""

CAPABILITIES = """
const [done] = arguments;
PublicKeyCredential.getClientCapabilities().then(done, () => done({}));
"""


class Page:
    """A page of the server, with an authenticator at hand."""

    def __init__(self, browser, server):
        self.browser = browser
        # The viewer of the API's reference is the one page of ours that may call the API.
        self.origin = f"http://localhost:{server.port}"
        browser.expected += ["status of 401", "status of 403"]
        browser.call("POST", "/timeouts", {"script": 20_000})
        browser.open(f"{self.origin}/docs/")

    def run(self, script, *args):
        return self.browser.run_async(script, *args)

    def api(self, path, body=None, method="POST", **headers):
        """The status of an answer, and its data or, of a refusal, its code."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.run(FETCH, method, path, body or {}, headers)
        assert "status" in answer, answer
        return answer["status"], answer["body"].get("data", answer["body"].get("code"))

    def good(self, *args, **more):
        status, data = self.api(*args, **more)
        assert status == 200, (status, data)
        return data

    def auth(self, endpoint, body=None):
        return self.api(f"/api/v1/auth/tenants/acme/{endpoint}", body)

    def create(self, begun):
        return self.run(CREATE, begun["options"])

    def get(self, begun, mediation="optional", patience=10_000):
        return self.run(GET, begun["options"], mediation, patience)

    def forget_cookies(self):
        self.browser.call("DELETE", "/cookie")

    def has_session(self):
        status, _ = self.api("/api/v1/me/mfa", method="GET")
        return status == 200

    def login(self):
        status, data = self.auth("login", {"email": GRACE, "password": PASSWORD})
        assert status == 200, data
        return data


@contextlib.contextmanager
def page_of(world, name, settings):
    server = world.server(settings)
    demanded = ["mfa.required=true", "mfa.email_allowed=false"]
    server.command("tenant", "create", "acme", *(part for it in demanded for part in ("--set", it)))
    server.user().start()
    with browsing(world, name) as browser:
        page = Page(browser, server)
        page.browser.plug_in()
        yield page
    verdict = server.command("audit", "verify", "--tenant", "acme")
    assert "whole" in verdict, verdict
    assert server.stop() == 0


def finished(begun, made):
    assert "credential" in made, made
    return {"challenge_id": begun["challenge_id"], "credential": made["credential"]}


def enrol_in_a_step(page, discoverable=True):
    """The first sign-in, which cannot go on without a factor."""
    login = page.login()
    assert login["status"] == "mfa_enrollment_required", login
    assert not page.has_session()
    step = {"X_MFA_Token": login["mfa_token"], "X_Tenant": "acme"}
    begun = page.good("/api/v1/me/mfa/webauthn/register/begin", **step)
    made = page.create(begun)
    assert made["credential"]["clientExtensionResults"]["credProps"]["rk"] is discoverable, made
    enrolled = page.good("/api/v1/me/mfa/webauthn/register/finish", {**finished(begun, made), "name": "The first"}, **step)
    assert enrolled["status"] == "enabled" and len(enrolled["backup_codes"]) == 10, enrolled
    assert page.has_session()
    return made["credential"]["id"]


def begin_step(page):
    """Shows the password, and begins the second step."""
    page.forget_cookies()
    login = page.login()
    assert (login["status"], login["default_method"]) == ("mfa_required", "webauthn"), login
    status, begun = page.auth(f"mfa/webauthn/begin?mfa_token={login['mfa_token']}&user_id={login['user_id']}")
    assert status == 200, begun
    return login, begun


def verify(page, login, begun, made):
    proof = {"mfa_token": login["mfa_token"], "user_id": login["user_id"], "method": "webauthn"}
    status, data = page.auth("mfa/verify", {**proof, **finished(begun, made)})
    assert status == 200, data
    return data


def sign_in_with_password_and_passkey(page, credential):
    login, begun = begin_step(page)
    made = page.get(begun)
    assert made["credential"]["id"] == credential
    assert verify(page, login, begun, made)["status"] == "success"
    assert page.has_session()


def begin_alone(page):
    page.forget_cookies()
    status, begun = page.auth("passkey/begin")
    assert status == 200, begun
    return begun


def sign_in_alone(page, credential):
    begun = begin_alone(page)
    made = page.get(begun)
    assert made["credential"]["id"] == credential and made["credential"]["response"]["userHandle"]
    status, data = page.auth("passkey/finish", finished(begun, made))
    assert (status, data["status"]) == (200, "success"), data
    assert page.has_session()
    again = page.auth("passkey/finish", finished(begun, made))
    assert again == (401, "invalid_credentials"), again


def sign_in_by_autofill(page, world):
    """The browser offers the passkey in a form's own list; the virtual one chooses at once."""
    if not page.run(CAPABILITIES).get("conditionalGet"):
        world.notes.append("(no conditional mediation in this browser)")
        return
    begun = begin_alone(page)
    made = page.get(begun, mediation="conditional")
    status, data = page.auth("passkey/finish", finished(begun, made))
    assert (status, data["status"]) == (200, "success"), data
    assert page.has_session()


def prove_again(page):
    """Shows once more whose the session is; what the page knew of it before is worth nothing."""
    before = page.good("/api/v1/me/session", method="GET")
    proof = {"X_CSRF_Token": before["csrf_token"]}
    begun = page.good("/api/v1/me/reauthenticate/begin", **proof)
    made = page.get(begun)
    body = {"method": "webauthn", **finished(begun, made)}
    after = page.good("/api/v1/me/reauthenticate", body, **proof)
    assert after["recent"] and after["proved_at"] > before["proved_at"], (before, after)
    assert page.api("/api/v1/me/reauthenticate/begin", **proof) == (403, "invalid_csrf_token")
    page.good("/api/v1/me/reauthenticate/begin", X_CSRF_Token=after["csrf_token"])


def enrol_another(page, credential):
    """The same device is refused by the browser, another one is not."""
    session = page.good("/api/v1/me/session", method="GET")
    proof = {"X_CSRF_Token": session["csrf_token"]}
    begun = page.good("/api/v1/me/mfa/webauthn/register/begin", **proof)
    excluded = [it["id"] for it in begun["options"]["excludeCredentials"]]
    assert excluded == [credential], excluded
    assert page.create(begun) == {"fault": "InvalidStateError"}
    assert len(page.browser.credentials()) == 1
    page.browser.plug_in(transport="usb")
    made = page.create(begun)
    assert page.api("/api/v1/me/mfa/webauthn/register/finish", finished(begun, made))[1] == "invalid_csrf_token"
    page.good("/api/v1/me/mfa/webauthn/register/finish", {**finished(begun, made), "name": "The second"}, **proof)
    listed = page.good("/api/v1/me/mfa", method="GET")
    assert [it["name"] for it in listed["methods"]] == ["The first", "The second"], listed
    return made["credential"]["id"]


def carelessly(begun, credential):
    """What a page makes of the options that wants an answer without verification."""
    allowed = [{"type": "public-key", "id": credential}]
    return {**begun, "options": {**begun["options"], "userVerification": "discouraged", "allowCredentials": allowed}}


def refuse_the_unverified(page, credential):
    """The browser does not sign for somebody it could not verify; nor would the server take it."""
    page.browser.verifies(False)
    begun = begin_alone(page)
    assert page.get(begun)["fault"] == "NotAllowedError"
    made = page.get(carelessly(begun, credential))
    refused = page.auth("passkey/finish", finished(begun, made))
    assert refused == (401, "invalid_credentials"), refused
    # It was enrolled with verification, so as a second factor it is not good without it either.
    login, begun = begin_step(page)
    failed = verify(page, login, begun, page.get(carelessly(begun, credential)))
    assert (failed["status"], failed["error"]) == ("failed", "invalid_credential"), failed
    assert not page.has_session()
    page.browser.verifies(True)


def refuse_another_page(page, credential):
    """On a page of another origin the browser does not use the passkey at all."""
    begun = begin_alone(page)
    page.browser.open(page.origin.replace("localhost", "127.0.0.1") + "/docs/")
    assert page.get(begun)["fault"] == "SecurityError"
    page.browser.open(page.origin + "/docs/")
    sign_in_alone(page, credential)


def passkeys(world, name, settings):
    with page_of(world, name, settings) as page:
        first = enrol_in_a_step(page)
        sign_in_with_password_and_passkey(page, first)
        sign_in_alone(page, first)
        sign_in_by_autofill(page, world)
        sign_in_alone(page, first)
        prove_again(page)
        second = enrol_another(page, first)
        sign_in_with_password_and_passkey(page, second)
        sign_in_alone(page, second)
        refuse_the_unverified(page, second)
        refuse_another_page(page, second)


def test_on_sqlite(world):
    passkeys(world, "passkeys_on_sqlite", {})


def test_on_postgres(world):
    passkeys(world, "passkeys_on_postgres", {"DATABASE_URL": world.database()})


def test_a_device_that_verifies_nobody_is_a_second_factor_only(world):
    with page_of(world, "passkeys_without_verification", {}) as page:
        page.browser.plug_in(hasUserVerification=False, isUserVerified=False)
        key = enrol_in_a_step(page)
        sign_in_with_password_and_passkey(page, key)
        begun = begin_alone(page)
        assert page.get(begun)["fault"] == "NotAllowedError"
        refused = page.auth("passkey/finish", finished(begun, page.get(carelessly(begun, key))))
        assert refused == (401, "invalid_credentials"), refused


def test_an_old_security_key_is_a_second_factor(world):
    """One of U2F counts its signatures and cannot be found without its name."""
    with page_of(world, "passkeys_of_an_old_key", {}) as page:
        page.browser.plug_in(protocol="ctap1/u2f", transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
        key = enrol_in_a_step(page, discoverable=False)
        counts = []
        for _ in range(3):
            sign_in_with_password_and_passkey(page, key)
            counts.append(page.browser.credentials()[0]["signCount"])
        assert 0 < counts[0] < counts[1] < counts[2], counts
        assert "fault" in page.get(begin_alone(page), patience=2_000)
