"""Pages as they are met in life: back and reload, two tabs, lost cookies, codes with blanks, forms
that were left open. The rows are those of users' reports about other systems (B09 …)."""

import contextlib
import urllib.parse

from stage import staged
from support import PASSWORD
from webdriver import browsing


@contextlib.contextmanager
def at_the_pages(world, name, **browser):
    with staged(world, "acme", "strict", "steps") as stage, browsing(world, name, **browser) as stage.browser:
        stage.browser.expected += ["status of 401", "status of 403", "status of 404", "status of 429"]
        yield stage


def is_signed_in(stage):
    return any("session" in name for name in stage.browser.cookies())


def test_second_steps(world):
    with at_the_pages(world, "awkward_steps") as stage:
        back_and_reload_mail_nothing(stage)
        a_reload_keeps_the_code(stage)
        codes_with_blanks(stage)
        a_lost_step(stage)
        a_step_that_is_done_in_another_tab(stage)


def back_and_reload_mail_nothing(stage):
    """B15: only the button sends a code."""
    stage.fresh()
    person = stage.at_second_step("email")
    known = len(person.mails)
    stage.press("#send")
    code = person.mailed_code(known)
    subject = person.mails[-1].message["Subject"]
    stage.browser.back()
    stage.browser.forward()
    stage.open("/t/acme/mfa")
    stage.browser.reload()
    stage.browser.new_tab()
    stage.open("/t/acme/mfa?method=email")
    stage.browser.wait("#code")
    stage.send(code=code)
    assert is_signed_in(stage)
    codes = [it for it in person.mails[known:] if it.message["Subject"] == subject]
    assert len(codes) == 1, "something sent another code"
    stage.browser.call("DELETE", "/window")
    stage.browser.go_to(stage.browser.windows()[0])


def a_reload_keeps_the_code(stage):
    """B18: neither a reload nor a refused further mail spends the code that is under way."""
    stage.fresh()
    person = stage.at_second_step("email")
    known = len(person.mails)
    stage.press("#send")
    code = person.mailed_code(known)
    stage.open("/t/acme/mfa?method=email")
    if stage.browser.has("#send:not([disabled])"):
        stage.press("#send")
        stage.browser.wait("#fault")
    stage.send(code=code)
    assert is_signed_in(stage)


def codes_with_blanks(stage):
    """B17: blanks in a code are nobody's fault; letters and too many digits get a sentence."""
    stage.fresh()
    person = stage.at_second_step("totp")
    for wrong in ("1234567", "abcdef"):
        stage.send(code=wrong)
        stage.browser.wait("#fault")
    code = person.app.code()
    # A no-break space is what some apps put between.
    stage.browser.run("document.getElementById('code').value = arguments[0]", f"\u00a0{code[:3]}\u00a0{code[3:]} ")
    stage.press("#submit")
    assert is_signed_in(stage), stage.browser.text()


def a_lost_step(stage):
    """B09: a step that is over leads to the sign-in with a sentence, not to "wrong code"."""
    stage.fresh()
    person = stage.at_second_step("totp")
    stage.browser.forget()
    stage.send(code=person.app.code())
    stage.browser.wait("#email")
    stage.browser.wait("#note")
    stage.enter(person.address)
    stage.browser.wait("#code")
    # Where the form's cookie is still there, so is the address.
    step = next(name for name in stage.browser.cookies() if "step" in name)
    stage.browser.call("DELETE", f"/cookie/{step}")
    stage.browser.reload()
    stage.browser.wait("#note")
    assert stage.browser.value("#email") == person.address


def a_step_that_is_done_in_another_tab(stage):
    """The tab that was left behind says how it is, and does not fail."""
    stage.fresh()
    person = stage.at_second_step("totp")
    first = stage.browser.window()
    stage.browser.new_tab()
    stage.open("/t/acme/mfa")
    stage.send(code=person.app.code())
    assert is_signed_in(stage)
    stage.browser.call("DELETE", "/window")
    stage.browser.go_to(first)
    stage.send(code="123456")
    assert stage.browser.has("h1") and not stage.browser.has("#code"), stage.browser.text()
    stage.open("/t/acme")
    assert person.address in stage.browser.source(), "the session of the other tab lives"


def test_sign_ins(world):
    with at_the_pages(world, "awkward_sign_ins") as stage:
        a_password_that_is_shown(stage)
        caps_lock(stage)
        the_address_first(stage)
        a_form_that_is_too_old(stage)
        back_after_the_sign_in(stage)
        two_tabs(stage)
        stay_signed_in(stage)
        an_application_that_waits_in_vain(stage)
        a_choice_that_is_taken_back(stage)
        a_host_that_passkeys_do_not_know(stage)


def a_password_that_is_shown(stage):
    """It can be read while one types, and goes out as a password."""
    stage.fresh()
    person = stage.person()
    stage.open("/t/acme/login")
    stage.fill_in(person.address)
    shown = [stage.browser.attribute("#password", "type")]
    stage.browser.click("[data-reveals]")
    shown.append(stage.browser.attribute("#password", "type"))
    stage.browser.click("[data-reveals]")
    shown.append(stage.browser.attribute("#password", "type"))
    stage.browser.click("[data-reveals]")
    assert shown == ["password", "text", "password"], shown
    assert stage.browser.value("#password") == PASSWORD
    stage.press("#submit")
    assert is_signed_in(stage)


def caps_lock(stage):
    """It is said while one types, and no longer, and moves nothing on the page."""
    stage.fresh()
    stage.open("/t/acme/login")
    place = "return document.getElementById('submit').getBoundingClientRect().top"
    before = stage.browser.run(place)
    assert not stage.browser.text("[data-caps]")
    stage.browser.caps_lock("#password")
    stage.browser.wait("[data-caps]:not(:empty)")
    assert stage.browser.attribute("[data-caps]", "role") == "status" and stage.browser.run(place) == before
    stage.browser.keys("a")
    assert not stage.browser.text("[data-caps]")


def the_address_first(stage):
    """ENU-08: the first page answers alike for everybody; the second can be taken back, and helps a password manager."""
    stage.fresh()
    person = stage.person("steps")
    pages = []
    for address in (stage.address("nobody"), person.address):
        stage.open("/t/steps/login")
        stage.browser.fill("#email", address)
        stage.press("#submit")
        assert stage.browser.value("#email") == address and stage.browser.attribute("#email", "autocomplete").startswith("username")
        assert address not in urllib.parse.unquote(stage.browser.url())
        pages.append(stage.browser.text().replace(address, ""))
    assert pages[0] == pages[1], pages
    stage.press("#not-you")
    assert not stage.browser.has("#password") and stage.browser.is_shown("#email")
    stage.enter(person.address)
    assert is_signed_in(stage)


def a_form_that_is_too_old(stage):
    """WEB-01: without its cookie it comes back with a sentence, what was typed, and no session; then it works."""
    stage.fresh()
    person = stage.person()
    stage.open("/t/acme/login")
    stage.fill_in(person.address)
    stage.browser.forget()
    stage.press("#submit")
    stage.browser.wait("#fault, #note")
    assert not is_signed_in(stage) and stage.browser.value("#email") == person.address and not stage.browser.value("#password")
    stage.enter(person.address)
    assert is_signed_in(stage)


def back_after_the_sign_in(stage):
    """Back shows no page that is not true any more as if it were; nor is the password still there."""
    stage.fresh()
    person = stage.person()
    stage.sign_in(person)
    stage.browser.back()
    assert not stage.browser.has("#password") or not stage.browser.value("#password")
    stage.browser.forward()
    assert is_signed_in(stage)
    # A second sign-in on the same page ends the first session.
    stage.sign_in(person)
    assert is_signed_in(stage)


def two_tabs(stage):
    """A form that was open before somebody signed in elsewhere goes on to work."""
    stage.fresh()
    person = stage.person()
    stage.open("/t/acme/login")
    first = stage.browser.window()
    stage.browser.new_tab()
    stage.sign_in(person)
    stage.browser.call("DELETE", "/window")
    stage.browser.go_to(first)
    stage.enter(person.address)
    if stage.browser.has("#password"):
        # Older than the sign-in of the other tab: once more, with a sentence.
        assert stage.browser.has("[role=alert], [role=status]"), stage.browser.text()
        stage.enter(person.address)
    assert is_signed_in(stage)
    stage.open("/t/acme")
    assert person.address in stage.browser.source()


def stay_signed_in(stage):
    """Without the box the session ends with the browser; with it, it does not."""
    for wanted in (False, True):
        stage.fresh()
        person = stage.person()
        stage.open("/t/acme/login")
        stage.fill_in(person.address)
        if wanted:
            stage.browser.click("#remember_me")
        stage.press("#submit")
        session = next(it for name, it in stage.browser.cookies().items() if "session" in name)
        assert ("expiry" in session) == wanted, session
        assert session["httpOnly"] and session["sameSite"] == "Lax", session


def an_application_that_waits_in_vain(stage):
    """Who has lost the request's cookie is told, and sent nowhere; so is who comes back to one that is done."""
    stage.fresh()
    person = stage.person()
    stage.open(stage.request(stage.app("Orders")))
    stage.browser.wait("#application")
    pending = stage.browser.url()
    stage.browser.forget()
    stage.enter(person.address)
    assert stage.browser.url().startswith(stage.base) and not is_signed_in(stage), stage.browser.url()
    stage.fresh()
    stage.sign_in(person, stage.request(stage.app("Orders")))
    stage.browser.wait_url(stage.landing.origin)
    assert stage.landing.arrivals[-1]["state"] == "a-state" and stage.landing.arrivals[-1]["code"]
    arrived = len(stage.landing.arrivals)
    stage.open(pending)
    assert stage.browser.url().startswith(stage.base) and len(stage.landing.arrivals) == arrived


def a_choice_that_is_taken_back(stage):
    """Back to the consent page after it was answered: the same answer is not given twice."""
    stage.fresh()
    person = stage.person()
    stage.sign_in(person, stage.request(stage.asking()))
    stage.press("#allow")
    stage.browser.wait_url(stage.landing.origin)
    arrived = len(stage.landing.arrivals)
    stage.browser.back()
    if stage.browser.has("#allow"):
        stage.press("#allow")
        assert stage.browser.url().startswith(stage.base), "the request is answered already"
    assert len(stage.landing.arrivals) == arrived
    # Cancelling tells the application.
    stage.fresh()
    stage.open(stage.request(stage.asking()))
    stage.press("#cancel")
    stage.browser.wait_url(stage.landing.origin)
    assert stage.landing.arrivals[-1]["error"] == "access_denied", stage.landing.arrivals[-1]


def a_host_that_passkeys_do_not_know(stage):
    """B22: at another name of the server the browser has no passkey to offer; a sentence says so."""
    stage.fresh()
    stage.browser.plug_in()
    stage.open(f"http://127.0.0.1:{stage.server.port}/t/acme/login")
    if stage.browser.is_shown("#passkey"):
        stage.browser.click("#passkey")
        stage.browser.wait("#fault")
    stage.browser.unplug()
