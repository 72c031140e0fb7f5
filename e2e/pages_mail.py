"""What a mailed link meets in life: filters that read ahead, second clicks, web mailers, blocked
cookies, somebody else who is signed in. The rows are those of users' reports about other systems
(B01 …)."""

import http.client
import urllib.parse

from pages_awkward import at_the_pages, is_signed_in
from stage import NEW_PASSWORD
from support import PASSWORD, wait_for


def look_ahead(stage, link):
    """What a filter for mail does with a link: HEAD and GET, with and without scripts, no click."""
    url = urllib.parse.urlparse(link)
    for method in ("HEAD", "GET"):
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
        connection.request(method, f"{url.path}?{url.query}")
        answer = connection.getresponse()
        assert answer.status == 200 and not answer.headers.get("Set-Cookie", "").startswith("cs_session"), (answer.status, answer.headers)
        connection.close()
    stage.fresh()
    stage.open(link)
    stage.browser.wait("main form")
    assert not is_signed_in(stage)
    stage.fresh()


def reset_link(stage, person):
    """Asks for a link by the page."""
    stage.open("/t/acme/forgot-password")
    stage.send(email=person.address)
    return person.mail("reset-password").link


def test_links_in_mail(world):
    with at_the_pages(world, "awkward_links") as stage:
        mail_is_read_ahead(stage)
        the_confirmation_is_followed_twice(stage)
        a_link_that_is_dead(stage)
        an_address_with_a_plus(stage)
        a_link_from_another_site(stage)
        a_reset_while_somebody_is_signed_in(stage)
        a_reset_ends_the_wait(stage)
        an_address_in_capitals(stage)


def mail_is_read_ahead(stage):
    """B01, B02: whoever only looks at a link has spent nothing."""
    person = stage.person()
    link = reset_link(stage, person)
    look_ahead(stage, link)
    look_ahead(stage, link)
    stage.open(link)
    token = link.rpartition("token=")[2]
    wait_for("the token to leave the address bar", lambda: token not in stage.browser.url())
    stage.browser.fill("#password", NEW_PASSWORD)
    stage.press("main [type=submit]")
    assert person.login(NEW_PASSWORD) == 200 and not is_signed_in(stage)
    person = stage.registration()
    link = person.mail("token=").link
    look_ahead(stage, link)
    assert person.login() == 401
    stage.open(link)
    stage.press("main [type=submit]")
    assert person.login() == 200


def the_confirmation_is_followed_twice(stage):
    """B03: the second time says that all is well, and so does a second press on a page that was left open."""
    stage.fresh()
    person = stage.registration()
    link = person.mail("token=").link
    stage.open(link)
    other = stage.browser.window()
    tab = stage.browser.new_tab()
    stage.open(link)
    stage.press("main [type=submit]")
    assert stage.browser.shows("confirmed")
    stage.browser.call("DELETE", "/window")
    stage.browser.go_to(other)
    assert tab != other
    stage.press("main [type=submit]")
    assert stage.browser.shows("confirmed"), stage.browser.text()
    assert not is_signed_in(stage)


def a_link_that_is_dead(stage):
    """B04: the page says so, and one button leads to a new mail, alike for everybody."""
    stage.fresh()
    person = stage.person()
    first = reset_link(stage, person)
    stage.open(first)
    stage.browser.fill("#password", NEW_PASSWORD)
    stage.press("main [type=submit]")
    answers = []
    for address in (person.address, stage.address("nobody")):
        stage.open(first)
        stage.press("#again")
        stage.send(email=address)
        answers.append(stage.browser.text("main h1"))
    assert answers[0] == answers[1], answers
    wait_for("another link", lambda: len([it for it in person.mails if "reset-password" in it.text]) == 2)
    link = person.mail("reset-password").link
    assert link != first
    stage.open(link)
    stage.browser.wait("#password")


def an_address_with_a_plus(stage):
    """B05: it is never in the address bar, and arrives byte for byte."""
    stage.fresh()
    person = stage.person("acme", "ann+test." + stage.address("x"))
    stage.open("/t/acme/login")
    stage.press("#forgot-password")
    stage.send(email=person.address)
    assert "ann" not in stage.browser.url()
    stage.open(person.mail("reset-password").link)
    stage.browser.wait("#password")


def a_link_from_another_site(stage):
    """B07: the page behind a link in a web mailer needs no cookie from before, nor does its form."""
    stage.fresh()
    for kind in ("reset", "verify"):
        person = stage.registration() if kind == "verify" else stage.person()
        link = person.mail("token=").link if kind == "verify" else reset_link(stage, person)
        stage.browser.forget()
        stage.browser.open(stage.landing.origin.replace("localhost", "127.0.0.1"))
        stage.browser.run("const a = document.createElement('a'); a.href = arguments[0]; a.id = 'out'; a.textContent = 'out'; document.body.append(a)", link)
        stage.press("#out")
        if kind == "reset":
            stage.browser.fill("#password", NEW_PASSWORD)
        stage.press("main [type=submit]")
        assert person.login(NEW_PASSWORD if kind == "reset" else PASSWORD) == 200, kind


def a_reset_while_somebody_is_signed_in(stage):
    """B08: the form is for the link's owner, whoever is signed in; only the owner's sessions end."""
    stage.fresh()
    alice, bob = stage.person(), stage.person()
    stage.sign_in(alice)
    links = {person.address: reset_link(stage, person) for person in (bob, alice)}
    for person, remains in ((bob, True), (alice, False)):
        stage.open(links[person.address])
        assert stage.browser.shows(f"{person.address[0]}***@example.com"), stage.browser.text()
        stage.browser.fill("#password", NEW_PASSWORD)
        stage.press("main [type=submit]")
        assert person.login(NEW_PASSWORD) == 200
        stage.open("/t/acme")
        assert (alice.address in stage.browser.source()) == remains, "only the owner's sessions end"


def a_reset_ends_the_wait(stage):
    """B11: who has proved his address by mail need not wait for the end of a guesser's lock."""
    stage.fresh()
    person = stage.person()
    link = reset_link(stage, person)
    stage.open(link)
    stage.browser.fill("#password", NEW_PASSWORD)
    stage.failures(person, 5)
    stage.press("main [type=submit]")
    stage.sign_in(person, None, NEW_PASSWORD)
    assert is_signed_in(stage)


def an_address_in_capitals(stage):
    """B12: the keyboard of a phone writes the first letter large."""
    stage.fresh()
    person = stage.person()
    stage.open("/t/acme/login")
    stage.enter(person.address.capitalize().replace("example", "EXAMPLE"))
    assert is_signed_in(stage)


def test_without_cookies(world):
    """B07: what a mailed link leads to works without them; a sign-in cannot, and does not pretend."""
    with at_the_pages(world, "awkward_cookies", cookies=False) as stage:
        person = stage.registration()
        stage.open(person.mail("token=").link)
        stage.press("main [type=submit]")
        assert person.login() == 200
        stage.open(reset_link_by_api(stage, person))
        stage.browser.fill("#password", "acme")
        stage.browser.run("document.querySelector('main form').noValidate = true")
        stage.press("main [type=submit]")
        stage.browser.wait("[role=alert]")
        stage.browser.fill("#password", NEW_PASSWORD)
        stage.press("main [type=submit]")
        assert person.login(NEW_PASSWORD) == 200
        stage.sign_in(person, None, NEW_PASSWORD)
        assert not stage.browser.shows("you are signed in"), stage.browser.text()


def reset_link_by_api(stage, person):
    assert stage.server.client().api("forgot-password", email=person.address).status == 200
    return person.mail("reset-password").link
