"""The flows of the hosted pages as people go through them: by mouse and by keyboard alone, on a
phone and on a desktop, with scripts and without, in several languages. Codes come from oathtool,
mail by SMTP, passkeys from Chromium's virtual authenticator."""

import contextlib

from factors import App
from hands import Keyboard, Mouse, stops
from stage import NEW_PASSWORD, staged
from support import PASSWORD, wait_for
from webdriver import DESKTOP, PHONE, browsing


@contextlib.contextmanager
def at_the_pages(world, name, kind, **browser):
    """Somebody at the pages, by that kind of hand."""
    with staged(world, "acme", "strict") as stage, browsing(world, name, **browser) as stage.browser:
        stage.browser.expected += ["status of 401", "status of 429"]
        yield kind(stage.browser, stage.base), stage


def is_signed_in(stage, person):
    stage.browser.wait_url(f"/t/{person.tenant}")
    wait_for("a session", lambda: any("session" in name for name in stage.browser.cookies()))
    return person.address in stage.browser.source()


def sign_out(stage):
    """Ends the session without a way through the pages."""
    stage.browser.forget()


def speaks(stage, language):
    spoken = stage.browser.attribute("html", "lang")
    assert spoken == language, f"{stage.browser.url()} speaks {spoken}"


def register_and_verify(hand, stage, language):
    """Register, look into the mail, confirm, sign in; nobody is there before the proof."""
    hand.open("/t/acme/login")
    speaks(stage, language)
    hand.press("register")
    address = stage.address("ann+test")
    for name, text in {"first_name": "Ann", "last_name": "Ō'Neil", "email": address, "password": PASSWORD}.items():
        hand.fill(name, text)
    hand.press("submit")
    speaks(stage, language)
    person = stage.known(address)
    mail = person.mail("token=")
    assert address not in stage.browser.url() and "example.com" not in mail.link.partition("?")[2], "an address in an address (B05)"
    hand.open(mail.link)
    speaks(stage, language)
    hand.press("main [type=submit]")
    speaks(stage, language)
    hand.open("/t/acme/login")
    hand.sign_in(person, PASSWORD)
    assert is_signed_in(stage, person)
    sign_out(stage)
    return person


def forget_and_reset(hand, stage, language):
    """Forget the password, follow the link, set a new one, sign in with it."""
    person = stage.person()
    hand.open("/t/acme/login")
    hand.press("forgot-password")
    speaks(stage, language)
    hand.fill("email", person.address)
    hand.press("submit")
    hand.open(person.mail("reset-password").link)
    speaks(stage, language)
    hand.fill("password", NEW_PASSWORD)
    hand.press("main [type=submit]")
    speaks(stage, language)
    hand.open("/t/acme/login")
    hand.sign_in(person, PASSWORD)
    stage.browser.wait("#fault")
    hand.sign_in(person, NEW_PASSWORD)
    assert is_signed_in(stage, person)
    sign_out(stage)


def code_of_an_app(hand, stage, language):
    """A wrong code, then the right one with blanks; the device is trusted and not asked again."""
    person = stage.person().enrol("totp", "email")
    hand.open("/t/acme/login")
    hand.sign_in(person, PASSWORD, remember=True)
    speaks(stage, language)
    wrong = "000000" if person.app.code() != "000000" else "111111"
    hand.fill("code", wrong)
    hand.press("submit")
    stage.browser.wait("#fault")
    code = person.app.code()
    hand.fill("code", f" {code[:3]} {code[3:]} ")
    hand.tick("trust_device")
    hand.press("submit")
    assert is_signed_in(stage, person)
    kept = stage.browser.cookies()
    session = next(name for name in kept if "session" in name)
    stage.browser.call("DELETE", f"/cookie/{session}")
    hand.open("/t/acme/login")
    hand.sign_in(person, PASSWORD)
    assert is_signed_in(stage, person), "a trusted device is not asked again"
    sign_out(stage)
    return person


def mailed_code(hand, stage, person):
    """A code by mail, by way of the list of other ways."""
    hand.open("/t/acme/login")
    hand.sign_in(person, PASSWORD)
    hand.press("method-email")
    known = len(person.mails)
    hand.press("send")
    hand.fill("code", person.mailed_code(known))
    hand.press("submit")
    assert is_signed_in(stage, person)
    sign_out(stage)


def backup_code(hand, stage, person):
    """A backup code, which is good once."""
    for number, works in enumerate((True, False)):
        hand.open("/t/acme/login")
        hand.sign_in(person, PASSWORD)
        hand.press("method-backup_code")
        hand.fill("code", person.backup_codes[0])
        hand.press("submit")
        if works:
            assert is_signed_in(stage, person)
        else:
            stage.browser.wait("#fault")
        sign_out(stage)


def enrolment_of_an_app(hand, stage, language):
    """Where a second step is demanded, it is set up at the first sign-in; the next one asks for it."""
    person = stage.person("strict")
    hand.open("/t/strict/login")
    hand.sign_in(person, PASSWORD)
    speaks(stage, language)
    app = App(stage.browser.text("#secret").replace(" ", ""))
    hand.fill("code", app.code(-1))
    hand.press("submit")
    stage.browser.wait("#backup-codes")
    codes = stage.browser.text("#backup-codes").split()
    assert len(set(codes)) == 10, codes
    hand.press("continue")
    assert is_signed_in(stage, person)
    # A reload afterwards asks for nothing (B16).
    stage.browser.reload()
    assert is_signed_in(stage, person)
    sign_out(stage)
    hand.open("/t/strict/login")
    hand.sign_in(person, PASSWORD)
    hand.fill("code", app.code())
    hand.press("submit")
    assert is_signed_in(stage, person)
    sign_out(stage)


def passkeys(hand, stage):
    """A passkey is set up, stands in as the second step, and then for everything."""
    person = stage.person("strict")
    stage.browser.plug_in()
    with stage.browser.without_autofill():
        hand.open("/t/strict/login")
        hand.sign_in(person, PASSWORD)
        hand.press("method-webauthn")
        hand.press("[data-passkey=create]")
        stage.browser.wait("#backup-codes")
        hand.press("continue")
        assert is_signed_in(stage, person)
        sign_out(stage)
        hand.open("/t/strict/login")
        hand.sign_in(person, PASSWORD)
        hand.press("[data-passkey=get]")
        assert is_signed_in(stage, person)
        sign_out(stage)
        hand.open("/t/strict/login")
        hand.press("passkey")
        assert is_signed_in(stage, person)
        sign_out(stage)
    autofill(hand, stage, person)
    stage.browser.unplug()


def autofill(hand, stage, person):
    """The browser offers the passkey in the field for the address; the virtual one chooses at once."""
    hand.open("/t/strict/login")
    wait_for("a session", lambda: any("session" in name for name in stage.browser.cookies()))
    assert is_signed_in(stage, person)
    sign_out(stage)


def walk(hand, stage, language):
    """All of it, as far as it needs no script."""
    register_and_verify(hand, stage, language)
    forget_and_reset(hand, stage, language)
    person = code_of_an_app(hand, stage, language)
    mailed_code(hand, stage, person)
    backup_code(hand, stage, person)
    enrolment_of_an_app(hand, stage, language)


def test_by_mouse_on_a_phone_in_german(world):
    with at_the_pages(world, "flows_mouse", Mouse, size=PHONE, language="de") as (hand, stage):
        walk(hand, stage, "de")
        passkeys(hand, stage)


def test_by_keyboard_on_a_desktop(world):
    with at_the_pages(world, "flows_keyboard", Keyboard, size=DESKTOP) as (hand, stage):
        walk(hand, stage, "en")
        passkeys(hand, stage)


def test_without_scripts(world):
    with at_the_pages(world, "flows_without_scripts", Keyboard, scripts=False) as (hand, stage):
        walk(hand, stage, "en")


def test_a_captcha_at_sign_in_is_solved_by_the_browser_alone(world):
    """Where a tenant always asks, a person notices a moment at most, and gets in."""
    with staged(world, "guarded") as stage, browsing(world, "captcha") as stage.browser:
        person = stage.person("guarded")
        hand = Mouse(stage.browser, stage.base)
        hand.open("/t/guarded/login")
        assert stage.browser.attribute("form#login", "data-captcha"), "no puzzle"
        hand.sign_in(person, PASSWORD)
        assert is_signed_in(stage, person)
        sign_out(stage)
        hand.open("/t/guarded/forgot-password")
        hand.fill("email", person.address)
        hand.press("submit")
        assert person.mail("reset-password").link


def test_the_order_of_stops(world):
    """Tab goes through a page as one reads it."""
    with at_the_pages(world, "flows_stops", Keyboard, size=DESKTOP) as (hand, stage):
        hand.open("/t/acme/login")
        assert stage.browser.focus() == "email", stage.browser.focus()
        found = stops(stage.browser)
        assert found[:7] == ["email", "password", "button", "forgot-password", "remember_me", "submit", "passkey"], found
        hand.open("/t/acme/register")
        found = stops(stage.browser)
        assert found[:6] == ["first_name", "last_name", "email", "password", "button", "submit"], found
