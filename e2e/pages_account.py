"""The account portal as its owner uses it: by mouse and by keyboard, with real mail, codes of an
authenticator app and a passkey; and what happens where a session ends in the midst of it."""

import contextlib
import json
import pathlib

from factors import App
from hands import Keyboard, Mouse
from stage import NEW_PASSWORD, staged
from support import PASSWORD, wait_for
from webdriver import DESKTOP, PHONE, browsing

ACCOUNT = "/t/acme/account"


@contextlib.contextmanager
def at_home(world, name, kind, **browser):
    """Somebody who has signed in, by that kind of hand."""
    with staged(world, "acme") as stage, browsing(world, name, **browser) as stage.browser:
        stage.browser.expected += ["status of 401", "status of 403", "status of 404", "status of 429"]
        person, hand = stage.person(), kind(stage.browser, stage.base)
        hand.open(f"{ACCOUNT}/profile")
        hand.sign_in(person, PASSWORD)
        stage.browser.wait_url("/account/profile")
        yield hand, stage, person


def says_so(stage):
    """That it was done, in a word on the page that comes next."""
    stage.browser.wait("#note")


def names_and_language(hand, stage):
    hand.fill("first_name", "Gráce <b>")
    hand.press("submit")
    says_so(stage)
    assert "Gráce <b>" in stage.browser.text("#account-name")
    # A reload repeats nothing and asks nothing.
    stage.browser.reload()
    assert stage.browser.value("#first_name") == "Gráce <b>"


def another_password(hand, stage, person):
    hand.open(f"{ACCOUNT}/security")
    hand.press("change-password")
    hand.fill("current_password", "not the password at all")
    hand.fill("new_password", NEW_PASSWORD)
    hand.press("submit")
    assert stage.browser.attribute("#current_password", "aria-invalid") == "true"
    assert not stage.browser.value("#current_password") and person.login() == 200
    hand.fill("current_password", PASSWORD)
    hand.fill("new_password", NEW_PASSWORD)
    hand.press("submit")
    says_so(stage)
    assert (person.login(), person.login(NEW_PASSWORD)) == (401, 200)
    assert person.mail("changed")


def another_address(hand, stage, person):
    hand.open(f"{ACCOUNT}/email")
    new = stage.address("hopper")
    hand.fill("email", new)
    hand.press("submit")
    hand.open(stage.known(new).mail("token=").link)
    hand.press("main [type=submit]")
    hand.open(ACCOUNT)
    wait_for("the new address", lambda: new in stage.browser.text("#account"))
    person.address = new


def an_app_and_its_codes(hand, stage, person):
    hand.open(f"{ACCOUNT}/security")
    hand.press("add-totp")
    if stage.browser.has("#begin"):
        hand.press("begin")
    app = App(stage.browser.text("#secret").replace(" ", ""))
    hand.fill("code", "000000" if app.code() != "000000" else "111111")
    hand.press("submit")
    assert stage.browser.attribute("#code", "aria-invalid") == "true"
    hand.fill("code", app.code())
    hand.press("submit")
    stage.browser.wait("#backup-codes")
    codes = stage.browser.text("#backup-codes").split()
    assert len(set(codes)) == 10, codes
    hand.press("continue")
    stage.browser.back()
    assert not stage.browser.has("#backup-codes") or stage.browser.text("#backup-codes").split() == codes
    hand.open(f"{ACCOUNT}/backup-codes")
    hand.press("submit")
    stage.browser.wait("#backup-codes")
    new = stage.browser.text("#backup-codes").split()
    assert len(set(new)) == 10 and not set(new) & set(codes)
    person.app, person.backup_codes = app, new


def a_passkey(hand, stage):
    stage.browser.plug_in()
    hand.open(f"{ACCOUNT}/security")
    hand.press("add-passkey")
    hand.fill("main input[name=name]", "The telephone")
    hand.press("[data-passkey=create]")
    stage.browser.wait("#passkeys")
    assert "The telephone" in stage.browser.text("#passkeys")
    hand.press("#passkeys a[href$='/name']")
    hand.fill("main input[name=name]", "The blue telephone")
    hand.press("submit")
    assert "The blue telephone" in stage.browser.text("#passkeys")
    hand.press("#passkeys a[href$='/remove']")
    # A second thought leads back, and changes nothing.
    hand.press("back")
    assert "The blue telephone" in stage.browser.text("#passkeys")
    hand.press("#passkeys a[href$='/remove']")
    hand.press("submit")
    assert not stage.browser.has("#passkeys")
    stage.browser.unplug()


def other_devices(hand, stage, person):
    """Another browser signs in and trusts itself; both are seen and ended from here."""
    other = stage.server.client()
    step = other.login(person.address, NEW_PASSWORD).data
    done = other.api("mfa/verify", mfa_token=step["mfa_token"], user_id=step["user_id"], method="backup_code", code=person.backup_codes[0], trust_device=True).data
    assert done["status"] == "success" and done["trusted_device_token"], done
    assert other.get("/api/v1/me").status == 200
    hand.open(f"{ACCOUNT}/devices")
    hand.press("#sessions a")
    hand.press("submit")
    says_so(stage)
    assert other.get("/api/v1/me").status == 401
    hand.press("#trusted-devices a")
    hand.press("submit")
    assert not stage.browser.has("#trusted-devices")
    assert person.address in stage.browser.source(), "this session lives"


def an_application(hand, stage):
    hand.open(stage.request(stage.asking()))
    hand.set_off("allow")
    stage.browser.wait_url(stage.landing.origin)
    hand.open(f"{ACCOUNT}/applications")
    assert "Garden Planner" in stage.browser.text("#applications")
    hand.press("#applications a.button")
    hand.press("submit")
    assert not stage.browser.has("#applications")
    hand.open(stage.request(stage.asking()))
    stage.browser.wait("#allow")


def what_happened(hand, stage):
    hand.open(f"{ACCOUNT}/activity")
    assert stage.browser.text("#activity")


def deletion(hand, stage):
    hand.open(f"{ACCOUNT}/data")
    hand.press("delete")
    hand.tick("is_sure")
    hand.press("submit")
    hand.open(f"{ACCOUNT}/data")
    hand.press("keep")
    says_so(stage)
    assert stage.browser.has("#delete")


def goes_out(hand, stage, person):
    hand.open(ACCOUNT)
    hand.press("sign_out")
    stage.browser.wait("#email")
    stage.browser.back()
    stage.browser.reload()
    assert person.address not in stage.browser.source(), "back shows nothing of the account"


def walk(hand, stage, person):
    names_and_language(hand, stage)
    another_password(hand, stage, person)
    another_address(hand, stage, person)
    an_app_and_its_codes(hand, stage, person)


def test_by_mouse_on_a_phone(world):
    with at_home(world, "account_mouse", Mouse, size=PHONE) as (hand, stage, person):
        walk(hand, stage, person)
        a_passkey(hand, stage)
        other_devices(hand, stage, person)
        an_application(hand, stage)
        what_happened(hand, stage)
        deletion(hand, stage)
        goes_out(hand, stage, person)


def test_by_keyboard_on_a_desktop(world):
    with at_home(world, "account_keyboard", Keyboard, size=DESKTOP) as (hand, stage, person):
        # The way past the navigation comes first.
        hand.open(ACCOUNT)
        hand.set_off("a[href='#main']")
        hand.open(f"{ACCOUNT}/profile")
        walk(hand, stage, person)
        other_devices(hand, stage, person)
        deletion(hand, stage)
        goes_out(hand, stage, person)


def test_without_scripts(world):
    with at_home(world, "account_without_scripts", Mouse, scripts=False) as (hand, stage, person):
        walk(hand, stage, person)
        other_devices(hand, stage, person)
        an_application(hand, stage)
        goes_out(hand, stage, person)


def test_a_session_that_ends_in_the_midst(world):
    """The form leads to the sign-in, and from there back to its page."""
    with at_home(world, "account_ended", Mouse) as (hand, stage, person):
        hand.fill("first_name", "Ada")
        stage.browser.forget()
        hand.press("submit")
        stage.browser.wait("#email")
        assert stage.browser.has("#note, #fault"), "a sentence says why"
        hand.sign_in(person, PASSWORD)
        stage.browser.wait_url("/account/profile")
        assert stage.browser.value("#first_name") == "Grace"


def test_a_proof_that_has_grown_old(world):
    """What concerns the account's safety asks once more who it is, and then goes on."""
    with at_home(world, "account_proof", Keyboard) as (hand, stage, person):
        stage.grow_old()
        hand.open(f"{ACCOUNT}/email")
        hand.fill("password", "not the password at all")
        hand.press("submit")
        stage.browser.wait("#fault")
        hand.fill("password", PASSWORD)
        hand.press("submit")
        stage.browser.wait_url("/account/email")
        stage.browser.wait("#email")


def test_the_data_that_one_takes_along(world):
    """The export comes as a file."""
    with at_home(world, "account_export", Mouse) as (hand, stage, person):
        folder = f"{world.folder}/downloads"
        stage.browser.tools("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        hand.open(f"{ACCOUNT}/data")
        hand.set_off("export")
        file = wait_for("the file", lambda: finished(folder))
        assert person.address in json.dumps(json.loads(file.read_text()))


def finished(folder):
    return next((it for it in pathlib.Path(folder).glob("*.json")), None)
