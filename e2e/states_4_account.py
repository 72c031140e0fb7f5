"""States of the account portal, and of what stands before its doors."""

from catalogue import Section
from factors import App

ACCOUNT = Section("Account")
PROFILE = Section("Account: profile")
SECURITY = Section("Account: sign-in and security")
DEVICES = Section("Account: devices and sessions")
APPLICATIONS = Section("Account: applications")
ACTIVITY = Section("Account: activity")
DATA = Section("Account: data and deletion")


def at_home(at, path="", person=None):
    """Somebody who has just signed in, at a page of his account."""
    person = person or at.person()
    at.sign_in(person)
    at.open(f"/t/{person.tenant}/account{path}")
    at.browser.wait("#account")
    return person


def furnished(at, path=""):
    """Somebody whose account has everything: two factors, a passkey, devices, an application."""
    if "furnished" not in at.people:
        person = at.people["furnished"] = at.person().enrol("totp", "email")
        at.failures(person, 1)
        at.sign_in(person, at.request(at.asking()))
        at.browser.click("#trust_device")
        at.send(code=person.app.code())
        at.press("#allow")
        at.browser.wait_url(at.landing.origin)
        at.fresh()
    person = at.people["furnished"]
    at.sign_in(person)
    at.press("#method-backup_code")
    at.send(code=person.backup_codes.pop())
    at.open(f"/t/acme/account{path}")
    at.browser.wait("#account")
    return person


@ACCOUNT.state
def account(at):
    """How things stand."""
    furnished(at)


@ACCOUNT.state
def account_new(at):
    """The same for an account that has nothing yet: what is advised."""
    at_home(at)


@ACCOUNT.state
def account_sign_in_first(at):
    """Nobody is signed in: the sign-in comes first."""
    at.open("/t/acme/account/security")
    at.browser.wait("#email")


@ACCOUNT.state
def account_no_such_page(at):
    """There is no such page in the account."""
    at.sign_in(at.person())
    at.open("/t/acme/account/no-such-page")
    at.browser.wait("h1")


@PROFILE.state
def profile(at):
    """Names, language, address."""
    at_home(at, "/profile")
    at.browser.wait("#first_name")


@PROFILE.state
def profile_saved(at):
    """A change was saved."""
    at_home(at, "/profile")
    at.send(first_name="Grace Brewster")
    at.browser.wait("#note")


@PROFILE.state
def profile_faults(at):
    """A name is missing."""
    at_home(at, "/profile")
    at.browser.run("document.getElementById('profile').noValidate = true")
    at.send(first_name=" ", last_name=" ")
    at.browser.wait("[role=alert]")


@PROFILE.state
def email_change(at):
    """Another address."""
    at_home(at, "/email")
    at.browser.wait("#email")


@PROFILE.state
def email_change_wrong(at):
    """What was entered is no address."""
    at_home(at, "/email")
    at.browser.run("document.getElementById('change-email').noValidate = true")
    at.send(email="grace at example")
    at.browser.wait("[role=alert]")


@PROFILE.state
def email_change_pending(at):
    """A change waits for its proof."""
    at_home(at, "/email")
    at.send(email=at.address("hopper"))
    at.open("/t/acme/account/email")
    at.browser.wait("#pending")


@SECURITY.state
def security(at):
    """Password, second factors, passkeys, backup codes."""
    furnished(at, "/security")


@SECURITY.state
def security_new(at):
    """The same, with nothing set up."""
    at_home(at, "/security")


@SECURITY.state
def password_change(at):
    """A new password."""
    at_home(at, "/password")
    at.browser.wait("#new_password")


@SECURITY.state
def password_change_faults(at):
    """The old one is wrong, the new one can be guessed."""
    at_home(at, "/password")
    at.send(current_password="not the password at all", new_password="Acme Gardens Acme Gardens")
    at.browser.wait("[role=alert]")


@SECURITY.state
def add_app(at):
    """Before a key is made."""
    at_home(at, "/authenticator-app")


@SECURITY.state
def add_app_key(at):
    """The key of an authenticator app."""
    at_home(at, "/authenticator-app")
    if at.browser.has("#begin"):
        at.press("#begin")
    at.browser.wait("#secret")


@SECURITY.state
def add_app_wrong(at):
    """A wrong first code."""
    at_home(at, "/authenticator-app")
    if at.browser.has("#begin"):
        at.press("#begin")
    at.send(code="000000")
    at.browser.wait("[role=alert]")


@SECURITY.state
def add_app_codes(at):
    """The backup codes that come with the first factor."""
    at_home(at, "/authenticator-app")
    if at.browser.has("#begin"):
        at.press("#begin")
    at.send(code=App(at.browser.text("#secret").replace(" ", "")).code())
    at.browser.wait("#backup-codes")


@SECURITY.state
def add_mailed_codes(at):
    """Codes by mail."""
    at_home(at, "/mailed-codes")
    at.browser.wait("#send")


@SECURITY.state
def add_mailed_codes_sent(at):
    """The first code is on its way."""
    at_home(at, "/mailed-codes")
    at.press("#send")
    at.browser.wait("#code")


@SECURITY.state
def add_passkey(at):
    """A passkey or security key."""
    at_home(at, "/passkey")
    at.browser.wait("[data-passkey=create]")


@SECURITY.state
def passkey_added(at):
    """There is a passkey."""
    with_account_passkey(at)


def with_account_passkey(at):
    person = at_home(at, "/passkey")
    at.browser.plug_in()
    at.browser.fill("main input[name=name]", "The telephone of Grace")
    at.press("[data-passkey=create]")
    if at.browser.has("#backup-codes"):
        at.open("/t/acme/account/security")
    at.browser.wait("#passkeys")
    return person


@SECURITY.state
def passkey_rename(at):
    """Another name for a passkey."""
    with_account_passkey(at)
    at.press("#passkeys a[href$='/name']")
    at.browser.wait("main input[name=name]")


@SECURITY.state
def passkey_remove(at):
    """Whether a passkey is to go."""
    with_account_passkey(at)
    at.press("#passkeys a[href$='/remove']")
    at.browser.wait("#submit")


@SECURITY.state
def app_remove(at):
    """Whether the authenticator app is to go."""
    furnished(at, "/authenticator-app/remove")
    at.browser.wait("#submit")


@SECURITY.state
def new_backup_codes(at):
    """Whether there are to be new backup codes."""
    furnished(at, "/backup-codes")
    at.browser.wait("#submit")


@SECURITY.state
def new_backup_codes_made(at):
    """New backup codes."""
    person = furnished(at, "/backup-codes")
    at.press("#submit")
    at.browser.wait("#backup-codes")
    person.backup_codes = at.browser.text("#backup-codes").split()


@SECURITY.state
def confirm_password(at):
    """Who it is, once more: by password."""
    at_home(at)
    at.grow_old()
    at.open("/t/acme/account/email")
    at.browser.wait("#password")


@SECURITY.state
def confirm_wrong(at):
    """The proof is wrong."""
    confirm_password(at)
    at.browser.fill("#password", "not the password at all")
    at.press("#submit")
    at.browser.wait("#fault")


@SECURITY.state
def confirm_code(at):
    """Who it is, once more: by a code."""
    furnished(at)
    at.grow_old()
    at.open("/t/acme/account/email")
    at.press("#method-totp")
    at.browser.wait("#code")


@DEVICES.state
def devices(at):
    """Sessions and trusted devices."""
    furnished(at, "/devices")


@DEVICES.state
def devices_one(at):
    """One session, no trusted device."""
    at_home(at, "/devices")


@DEVICES.state
def session_end(at):
    """Whether another session is to end."""
    furnished(at, "/devices")
    at.press("#sessions a")
    at.browser.wait("#submit")


@DEVICES.state
def sessions_end(at):
    """Whether all others are to end."""
    furnished(at, "/devices")
    at.press("#end-others")
    at.browser.wait("#submit")


@DEVICES.state
def device_forget(at):
    """Whether a device is to be asked again."""
    furnished(at, "/devices")
    at.press("#trusted-devices a")
    at.browser.wait("#submit")


@APPLICATIONS.state
def applications(at):
    """What applications may do."""
    furnished(at, "/applications")
    at.browser.wait("#applications")


@APPLICATIONS.state
def applications_none(at):
    """No application was allowed anything."""
    at_home(at, "/applications")
    at.browser.wait("#no-applications")


@APPLICATIONS.state
def application_revoke(at):
    """Whether it is to be taken back."""
    furnished(at, "/applications")
    at.press("#applications a.button")
    at.browser.wait("#submit")


@ACTIVITY.state
def activity(at):
    """What has happened."""
    furnished(at, "/activity")
    at.browser.wait("#activity")


@DATA.state
def data(at):
    """Take everything along, give the account up."""
    at_home(at, "/data")
    at.browser.wait("#export")


@DATA.state
def delete(at):
    """What deletion means."""
    at_home(at, "/delete")
    at.browser.wait("#is_sure")


@DATA.state
def delete_unsure(at):
    """The box was not ticked."""
    at_home(at, "/delete")
    at.browser.run("document.getElementById('delete-account').noValidate = true")
    at.press("#submit")
    at.browser.wait("[role=alert]")


@DATA.state
def delete_pending(at):
    """The account is going to be deleted, and can be kept."""
    at_home(at, "/delete")
    at.browser.click("#is_sure")
    at.press("#submit")
    at.open("/t/acme/account/data")
    at.browser.wait("#keep")
