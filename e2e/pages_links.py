"""The pages behind the mailed links in a real browser, by mouse and by keyboard."""

from support import PASSWORD, MailServer, smtp, wait_for
from webdriver import ENTER, TAB, browsing


def prepared(world):
    mail = MailServer()
    server = world.server({"MAIL__SMTP_URL": smtp(mail)}).tenant().start()
    assert server.client().register("grace@example.com").status == 200
    return server, mail, mail.wait("grace@example.com")


def test_confirming_by_mouse(world):
    server, mail, received = prepared(world)
    with browsing(world, "confirming_by_mouse") as browser:
        browser.open(received.link)
        assert "Grace Hopper" in browser.text()
        assert browser.width() <= 0
        assert server.client().login("grace@example.com").status == 401
        browser.click("button[type=submit]")
        wait_for("the confirmation", lambda: browser.shows("confirmed"))
    assert server.client().login("grace@example.com").data["status"] == "success"
    mail.close()


def test_confirming_by_keyboard_without_scripts(world):
    server, mail, received = prepared(world)
    with browsing(world, "confirming_by_keyboard", scripts=False) as browser:
        browser.open(received.link)
        for _ in range(10):
            browser.keys(TAB)
            if browser.focused() == "button":
                break
        browser.keys(ENTER)
        wait_for("the confirmation", lambda: browser.shows("confirmed"))
    assert server.client().login("grace@example.com").data["status"] == "success"
    mail.close()


def test_setting_a_new_password(world):
    server, mail, received = prepared(world)
    assert server.client().verify(received.token).status == 200
    assert server.client().api("forgot-password", email="grace@example.com").status == 200
    reset = wait_for("the reset mail", lambda: next((it for it in mail.to("grace@example.com") if "reset-password" in it.text), None))
    with browsing(world, "setting_a_new_password") as browser:
        browser.open(reset.link)
        wait_for("the token to leave the address bar", lambda: reset.token not in browser.url())
        assert browser.width() <= 0
        browser.type("input[name=password]", "acme acme acme acme")
        browser.click("button[type=submit]")
        wait_for("the reasons", lambda: browser.shows("organisation"))
        browser.type("input[name=password]", "an entirely different phrase" + ENTER)
        wait_for("the end", lambda: browser.shows("password", "sign in"))
        browser.open(reset.link)
        wait_for("the dead link's page", lambda: browser.shows("link"))
    assert server.client().login("grace@example.com", PASSWORD).status == 401
    assert server.client().login("grace@example.com", "an entirely different phrase").status == 200
    mail.close()
