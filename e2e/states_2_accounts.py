"""States of registration, of mailed links, and of recovery."""

from catalogue import Section
from factors import me
from stage import NEW_PASSWORD

REGISTRATION = Section("New account")
LINKS = Section("Mailed links")
RECOVERY = Section("Forgotten password")


def register(at, tenant="acme", **changes):
    fields = {"first_name": "Grace", "last_name": "Hopper", "email": at.address(), "password": NEW_PASSWORD, **changes}
    at.open(f"/t/{tenant}/register")
    at.browser.run("document.querySelector('form').noValidate = true")
    at.send(**fields)


@REGISTRATION.state
def registration(at):
    """The form."""
    at.open("/t/acme/register")
    at.browser.wait("#first_name")


@REGISTRATION.state
def registration_faults(at):
    """Several things are wrong."""
    register(at, first_name=" ", last_name=" ", email="grace at example", password="")
    at.browser.wait("[role=alert]")


@REGISTRATION.state
def registration_weak_password(at):
    """A password that can be guessed."""
    register(at, password="Acme Gardens Acme Gardens")
    at.browser.wait("[role=alert]")


@REGISTRATION.state
def registration_application(at):
    """An application has sent somebody to register."""
    at.open(at.request(at.asking(), prompt="create"))
    at.browser.wait("#first_name")
    at.browser.wait("#application")


@REGISTRATION.state
def registration_closed(at):
    """New accounts cannot be created here."""
    at.open("/t/strict/register")
    at.browser.wait("#note")


@REGISTRATION.state
def registration_mail(at):
    """Look into your mail."""
    register(at)
    at.browser.wait("#login")


@REGISTRATION.state
def registration_approval(at):
    """Somebody has to agree first."""
    register(at, "approval")
    assert not at.browser.has("#password")


@REGISTRATION.state
def registration_ready(at):
    """The account can be used at once."""
    register(at, "open")
    at.browser.wait("#email")
    at.browser.wait("#note")


@LINKS.state
def verify_email(at):
    """The page behind the link of a registration."""
    at.open(at.registration().mail("token=").link)
    at.browser.wait("[type=submit]")


@LINKS.state
def verified(at):
    """The address is confirmed."""
    at.open(at.registration().mail("token=").link)
    at.press("main [type=submit]")
    assert at.browser.shows("confirmed"), at.browser.text()


@LINKS.state
def verified_already(at):
    """The link once more."""
    link = at.registration().mail("token=").link
    at.open(link)
    at.press("main [type=submit]")
    at.open(link)
    if at.browser.has("main form [name=token]"):
        at.press("main [type=submit]")
    assert at.browser.shows("before"), at.browser.text()


@LINKS.state
def verify_email_dead(at):
    """A link that does not work any more."""
    at.open("/t/acme/verify-email?token=nonsense")
    at.browser.wait("h1")


@LINKS.state
def verify_email_again(at):
    """The way to a new link."""
    at.open("/t/acme/verify-email?token=nonsense")
    at.press("#again")
    at.browser.wait("#email")


def changing(at):
    """Somebody who has asked for another address, and the mails to both."""
    person = at.person()
    new = at.address("hopper")
    answer = me(at.server, person.token(), "POST", "/email", email=new)
    assert answer.status == 200, answer.text
    person.new = new
    return person


def link_to(at, address):
    return at.known(address).mail("token=").link


@LINKS.state
def change_email(at):
    """The page behind the link to a new address."""
    at.open(link_to(at, changing(at).new))
    at.browser.wait("[type=submit]")


@LINKS.state
def change_email_done(at):
    """The new address holds."""
    at.open(link_to(at, changing(at).new))
    at.press("main [type=submit]")
    at.browser.wait("h1")


@LINKS.state
def change_email_dead(at):
    """A link to a new address that does not work any more."""
    at.open("/t/acme/change-email?token=nonsense")
    at.browser.wait("h1")


@LINKS.state
def stop_email_change(at):
    """The link that says no, in time."""
    at.open(changing(at).mail("stop-email-change").link)
    at.browser.wait("[type=submit]")


@LINKS.state
def stop_email_change_late(at):
    """The link that says no, after the change."""
    person = changing(at)
    at.open(link_to(at, person.new))
    at.press("main [type=submit]")
    at.open(person.mail("stop-email-change").link)
    at.browser.wait("[type=submit]")


@LINKS.state
def stop_email_change_done(at):
    """The change is stopped."""
    at.open(changing(at).mail("stop-email-change").link)
    at.press("main [type=submit]")
    at.browser.wait("h1")


def told_of_sign_in(at):
    """Somebody who has got the notice of a sign-in."""
    person = at.person()
    person.token()
    return person


@LINKS.state
def not_me(at):
    """The page behind the link in the notice of a sign-in."""
    at.open(told_of_sign_in(at).mail("not-me").link)
    at.browser.wait("#submit")


@LINKS.state
def not_me_done(at):
    """Everybody is signed out."""
    at.open(told_of_sign_in(at).mail("not-me").link)
    at.press("#submit")
    assert at.browser.shows("signed out"), at.browser.text()


@LINKS.state
def not_me_again(at):
    """The same link once more."""
    link = told_of_sign_in(at).mail("not-me").link
    at.open(link)
    at.press("#submit")
    at.open(link)
    assert at.browser.shows("already"), at.browser.text()


@LINKS.state
def not_me_dead(at):
    """A link in a notice that does not work any more."""
    at.open("/t/acme/not-me?token=nonsense")
    at.browser.wait("h1")


@RECOVERY.state
def forgot_password(at):
    """The question for the address."""
    at.open("/t/acme/forgot-password")
    at.browser.wait("#email")


@RECOVERY.state
def forgot_password_wrong(at):
    """What was entered is no address."""
    at.open("/t/acme/forgot-password")
    at.browser.run("document.querySelector('form').noValidate = true")
    at.send(email="grace at example")
    at.browser.wait("[role=alert]")


@RECOVERY.state
def forgot_password_sent(at):
    """Look into your mail; the same for whoever has an account and whoever has none."""
    at.open("/t/acme/forgot-password")
    at.send(email=at.address("nobody"))
    at.browser.wait("#login")


def reset_link(at):
    person = at.person()
    assert at.server.client().api("forgot-password", email=person.address).status == 200
    return person.mail("reset-password").link


@RECOVERY.state
def reset_password(at):
    """The page behind the link."""
    at.open(reset_link(at))
    at.browser.wait("#password")


@RECOVERY.state
def reset_password_refused(at):
    """The new password can be guessed."""
    at.open(reset_link(at))
    at.browser.fill("#password", "Acme Gardens Acme Gardens")
    at.press("main [type=submit]")
    at.browser.wait("[role=alert]")


@RECOVERY.state
def reset_password_done(at):
    """The new password is set."""
    at.open(reset_link(at))
    at.browser.fill("#password", NEW_PASSWORD)
    at.press("main [type=submit]")
    at.browser.wait("h1")
    assert not at.browser.has("#password")


@RECOVERY.state
def reset_password_dead(at):
    """A link that does not work any more."""
    at.open("/t/acme/reset-password?token=nonsense")
    at.browser.wait("h1")
