"""States that applications bring about: consent, the choice of an account, devices, signing out;
and pages that say that something cannot be."""

import base64
import json

from catalogue import Section

CONSENT = Section("Consent and choice of an account")
DEVICES = Section("Devices without a browser")
SIGNING_OUT = Section("Signing out")
FAULTS = Section("What cannot be")

PAYMENT = [{"type": "payment_initiation", "instructedAmount": {"currency": "EUR", "amount": "123.50"}, "creditorName": "Merchant A"}]


@CONSENT.state
def consent(at):
    """Somebody else's application."""
    at.sign_in(at.person(), at.request(at.asking(), scope="openid profile email"))
    at.browser.wait("#allow")


@CONSENT.state
def consent_self_registered(at):
    """An application that nobody here has looked at."""
    app = at.self_registered()
    at.sign_in(at.person(), at.request(app, scope="openid email"))
    at.browser.wait("#unknown-application")


@CONSENT.state
def consent_details(at):
    """A rich authorization request."""
    app = at.app("Pay by Bank", first_party=False, authorization_details_types=["payment_initiation"])
    at.sign_in(at.person(), at.request(app, authorization_details=json.dumps(PAYMENT)))
    at.browser.wait("[data-type=payment_initiation]")


@CONSENT.state
def select_account(at):
    """Which account is meant."""
    at.sign_in(at.person())
    at.open(at.request(at.asking(), prompt="select_account"))
    at.browser.wait("button.account")


@CONSENT.state
def platform_select_account(at):
    """Accounts of several tenants, for an application of the platform."""
    at.sign_in(at.person())
    at.sign_in(at.person("open"))
    at.open(at.request(at.app("Field Notes", tenant=None), None))
    at.browser.wait("button.account")


def television(at):
    """A device that waits; its answer from the device authorization endpoint."""
    app = at.app("Television", allowed_scopes=["openid", "email"])
    client = at.server.client()
    pair = base64.b64encode("{client_id}:{client_secret}".format(**app).encode()).decode()
    client.opener.addheaders = [("Authorization", f"Basic {pair}")]
    begun = client.form("/api/v1/auth/tenants/acme/oauth/device_authorization", scope="openid email")
    assert begun.status == 200, begun.text
    return begun.json


def at_device(at, code=""):
    at.sign_in(at.person())
    at.open(f"/t/acme/device{code and '?user_code=' + code}")
    at.browser.wait("#user_code")


@DEVICES.state
def device(at):
    """The question for the code."""
    at_device(at)


@DEVICES.state
def device_wrong(at):
    """A code that no device shows."""
    at_device(at)
    at.browser.type("#user_code", "BCDF-GHJK")
    at.press("#submit")
    at.browser.wait("[role=alert]")


def asked_at_device(at):
    at_device(at, television(at)["user_code"])
    at.press("#submit")
    at.browser.wait("#allow")


@DEVICES.state
def device_confirm(at):
    """Whether the device may come in."""
    asked_at_device(at)


@DEVICES.state
def device_allowed(at):
    """The device goes on."""
    asked_at_device(at)
    at.press("#allow")
    assert not at.browser.has("#allow")


@DEVICES.state
def device_denied(at):
    """The device stays out."""
    asked_at_device(at)
    at.press("#deny")
    assert not at.browser.has("#allow")


LOGOUT = "/api/v1/auth/tenants/acme/oauth/logout"


@SIGNING_OUT.state
def logout(at):
    """The question, where nobody says whose session is meant."""
    at.sign_in(at.person())
    at.open(LOGOUT)
    at.browser.wait("#confirm")


@SIGNING_OUT.state
def logout_application(at):
    """The question on behalf of an application."""
    at.sign_in(at.person())
    app = at.asking()
    at.open(f"{LOGOUT}?client_id={app['client_id']}&post_logout_redirect_uri={at.landing.origin}/bye")
    at.browser.wait("#confirm")


@SIGNING_OUT.state
def signed_out(at):
    """Signed out."""
    at.sign_in(at.person())
    at.open(LOGOUT)
    at.press("#confirm")
    at.browser.wait("h1")


@FAULTS.state
def not_found(at):
    """There is no such page."""
    at.open("/t/acme/no-such-page")
    at.browser.wait("h1")


@FAULTS.state
def no_tenant(at):
    """There is no such tenant."""
    at.open("/t/no-such-tenant/login")
    at.browser.wait("h1")


@FAULTS.state
def suspended_tenant(at):
    """A tenant that is suspended."""
    if "gone" not in at.people:
        at.people["gone"] = "gone"
        at.server.command("tenant", "create", "gone")
        at.server.command("tenant", "suspend", "gone")
    at.open("/t/gone/login")
    at.browser.wait("h1")


@FAULTS.state
def protocol_error(at):
    """An application's request that cannot be answered."""
    at.open(at.request({"client_id": "00000000-0000-0000-0000-000000000000"}))
    at.browser.wait("#error-code")


@FAULTS.state
def nothing_pending(at):
    """A page of a request, without one."""
    at.open("/t/acme/select-account")
    at.browser.wait("h1")


@FAULTS.state
def home(at):
    """The bare address."""
    at.open("/")
    at.browser.wait("h1")


@FAULTS.state
def tenant_home(at):
    """A tenant's bare address."""
    at.open("/t/acme")
    at.browser.wait("h1")
