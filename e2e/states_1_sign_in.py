"""States of the sign-in, of the second step and of its enrolment."""

from catalogue import Section

SIGN_IN = Section("Sign-in")
SECOND_STEP = Section("Second step")
ENROLMENT = Section("Setting up a second step")


@SIGN_IN.state
def sign_in(at):
    """A tenant's sign-in."""
    at.open("/t/acme/login")
    at.browser.wait("#email")


@SIGN_IN.state
def sign_in_wrong(at):
    """Address or password are wrong."""
    at.open("/t/acme/login")
    at.enter(at.address("nobody"), "not the password at all")
    at.browser.wait("#fault")


@SIGN_IN.state
def sign_in_wait(at):
    """Too many wrong passwords: how long to wait."""
    person = at.person()
    at.open("/t/acme/login")
    at.fill_in(person.address)
    # The wait after the fifth is a second; so the form stands ready.
    at.failures(person, 5)
    at.press("#submit")
    at.browser.wait("#fault")
    assert at.browser.shows("wait"), at.browser.text()


@SIGN_IN.state
def sign_in_captcha(at):
    """The tenant wants a captcha, which the browser solves; then the password was wrong."""
    person = at.person("guarded")
    at.open("/t/guarded/login")
    at.browser.wait("#email")
    at.enter(person.address, "not the password at all")
    at.browser.wait("#fault")


@SIGN_IN.state
def sign_in_signed_out(at):
    """With a word about what was before."""
    at.open("/t/acme/login?note=signed_out")
    at.browser.wait("#note")


@SIGN_IN.state
def sign_in_caps_lock(at):
    """Caps Lock is on."""
    at.open("/t/acme/login")
    at.browser.caps_lock("#password")
    at.browser.wait("[data-caps]:not(:empty)")


@SIGN_IN.state
def sign_in_stale(at):
    """The form was too old, or its cookie is lost."""
    at.open("/t/acme/login")
    at.fill_in(at.address())
    at.browser.forget()
    at.press("#submit")
    at.browser.wait("#fault, #note")


@SIGN_IN.state
def sign_in_present(at):
    """Somebody is signed in already."""
    at.sign_in(at.person())
    at.open("/t/acme/login")
    at.browser.wait("#present")


@SIGN_IN.state
def sign_in_address(at):
    """The address first, where the tenant wants it so."""
    at.open("/t/steps/login")
    at.browser.wait("#email")
    assert not at.browser.has("#password")


@SIGN_IN.state
def sign_in_password(at):
    """Then the password."""
    at.open("/t/steps/login")
    at.fill_in(at.address())
    at.browser.wait("#not-you")


@SIGN_IN.state
def sign_in_application(at):
    """An application has sent somebody."""
    at.open(at.request(at.asking(), login_hint="grace@example.com"))
    at.browser.wait("#application")


@SIGN_IN.state
def sign_in_application_wrong(at):
    """The same, after a wrong password."""
    at.open(at.request(at.asking()))
    at.enter(at.address("nobody"), "not the password at all")
    at.browser.wait("#fault")


@SIGN_IN.state
def sign_in_expired(at):
    """What the application asked for is over."""
    at.open(at.request(at.asking()))
    at.browser.wait("#application")
    at.browser.forget()
    at.browser.reload()
    assert not at.browser.has("#application")


@SIGN_IN.state
def password_due(at):
    """The password was right and has to be replaced."""
    at.sign_in(at.person("acme", None, "--must-change-password"))
    assert not at.browser.has("#password")


@SIGN_IN.state
def platform_sign_in(at):
    """The platform's sign-in."""
    at.open("/login")
    at.browser.wait("#email")


@SIGN_IN.state
def platform_sign_in_tenants(at):
    """Address and password fit in several tenants."""
    person = at.person()
    at.person("open", person.address)
    at.open("/login")
    at.enter(person.address)
    at.browser.wait("[name=tenant]")


@SIGN_IN.state
def signed_in(at):
    """Signed in, without an application."""
    at.sign_in(at.person())
    at.browser.wait("#account, #sections, nav")


def second_step(at, method):
    """Somebody before his second step, by the way of that name."""
    if "everybody" not in at.people:
        at.people["everybody"] = at.person().enrol("totp", "email")
    at.at_second_step(person=at.people["everybody"])
    if at.browser.has(f"#method-{method}"):
        at.press(f"#method-{method}")


@SECOND_STEP.state
def second_step_app(at):
    """The code of an authenticator app."""
    second_step(at, "totp")
    at.browser.wait("#code")


@SECOND_STEP.state
def second_step_app_wrong(at):
    """A wrong code."""
    at.at_second_step("totp")
    at.send(code="000000")
    at.browser.wait("#fault")


@SECOND_STEP.state
def second_step_application(at):
    """The second step on the way to an application."""
    person = at.person().enrol("totp")
    at.sign_in(person, at.request(at.asking()))
    at.browser.wait("#code")
    at.browser.wait("#application")


@SECOND_STEP.state
def second_step_mail(at):
    """Before a code is mailed."""
    second_step(at, "email")
    at.browser.wait("#send")


@SECOND_STEP.state
def second_step_mail_sent(at):
    """A code is on its way."""
    at.at_second_step("email")
    at.press("#send")
    at.browser.wait("#code")


@SECOND_STEP.state
def second_step_mail_wait(at):
    """Another code is asked for too soon."""
    at.at_second_step("email")
    at.press("#send")
    at.browser.wait("#code")
    # The page itself lets nobody, who has scripts.
    at.browser.run("document.getElementById('send').disabled = false")
    at.press("#send")
    at.browser.wait("#fault")


@SECOND_STEP.state
def second_step_mail_wrong(at):
    """A wrong code by mail."""
    person = at.at_second_step("email")
    at.press("#send")
    wrong = "000000" if person.mailed_code() != "000000" else "111111"
    at.send(code=wrong)
    at.browser.wait("#fault")


@SECOND_STEP.state
def second_step_backup_code(at):
    """One of the backup codes."""
    second_step(at, "backup_code")
    at.browser.wait("#code")


def before_passkey(at):
    """Somebody whose second step is a passkey."""
    person = at.with_passkey()
    at.browser.forget()
    with at.browser.without_autofill():
        at.sign_in(person)
        at.browser.wait("[data-passkey=get]")


@SECOND_STEP.state
def second_step_passkey(at):
    """A passkey or security key."""
    before_passkey(at)


@SECOND_STEP.state
def second_step_passkey_failed(at):
    """The passkey was not used."""
    before_passkey(at)
    at.browser.verifies(False)
    at.browser.click("[data-passkey=get]")
    at.browser.wait("#fault")


@SECOND_STEP.state
def second_step_over(at):
    """It took too long: back to the sign-in."""
    at.at_second_step("totp")
    at.browser.forget()
    at.browser.reload()
    at.browser.wait("#email")
    at.browser.wait("#note")


@ENROLMENT.state
def enrol_app(at):
    """An authenticator app: picture and key."""
    enrolment(at, "totp")
    at.browser.wait("#secret")


@ENROLMENT.state
def enrol_app_wrong(at):
    """A wrong first code."""
    enrolment(at, "totp")
    at.send(code="000000")
    at.browser.wait("#fault")


@ENROLMENT.state
def enrol_mail(at):
    """Mailed codes, before the first."""
    enrolment(at, "email")
    at.browser.wait("#send")


@ENROLMENT.state
def enrol_mail_sent(at):
    """The first code is on its way."""
    enrolment(at, "email")
    at.press("#send")
    at.browser.wait("#code")


@ENROLMENT.state
def enrol_passkey(at):
    """A passkey or security key."""
    enrolment(at, "webauthn")
    at.browser.wait("[data-passkey=create]")


@ENROLMENT.state
def backup_codes(at):
    """Backup codes, shown once."""
    at.with_passkey()


def enrolment(at, method):
    """Somebody who has to set up a second step, at the way of that name."""
    # A proved address is a second step already, where mailed codes are allowed.
    person = at.person("unproved", None, "--unverified") if method == "email" else at.person("strict")
    at.sign_in(person)
    at.browser.wait_url("/mfa/enrol")
    if at.browser.has(f"#method-{method}"):
        at.press(f"#method-{method}")
