"""Register, mail, verify, sign in, forget, mail, reset, sign in: with real mail, in production mode."""

from support import PASSWORD, MailServer, smtp, wait_for


def journey(world, settings):
    mail = MailServer()
    server = world.server({"MAIL__SMTP_URL": smtp(mail), **settings})
    server.tenant().start()
    person, address = server.client(), "Grace@example.com"

    registered = person.register(address).data
    assert registered["status"] == "pending_verification", registered
    assert person.login(address).json["code"] == "invalid_credentials"
    first = mail.wait(address)
    assert first.message["Subject"] and first.link.startswith(server.base), first.text

    page = person.get(first.link)
    assert page.status == 200 and "Grace Hopper" in page.text, page.text
    assert person.login(address).status == 401, "looking at the page must not confirm anything"
    confirmed = person.form("/t/acme/verify-email", token=first.token)
    assert confirmed.status == 200, confirmed.text
    assert person.verify(first.token).data["status"] == "already_verified"

    signed_in = person.login(address).data
    assert signed_in["status"] == "success" and signed_in["user_id"] == registered["user_id"]
    cookies = {cookie.name.rsplit("_", 1)[0]: cookie for cookie in person.jar}
    assert set(cookies) == {"cs_session", "cs_device"}, cookies
    assert all("httponly" in {name.lower() for name in cookie._rest} for cookie in cookies.values())

    assert person.api("forgot-password", email="grace@example.com").data["status"] == "accepted"
    reset = wait_for("the reset mail", lambda: next((it for it in mail.to(address) if "reset-password" in it.text), None))
    refused = person.api("password/reset", token=reset.token, new_password="password1")
    assert refused.status == 400 and refused.json["code"] == "password_rejected" and refused.json["reasons"]
    new = "an entirely different phrase"
    assert person.api("password/reset", token=reset.token, new_password=new).data["status"] == "password_reset"
    again = person.api("password/reset", token=reset.token, new_password=new)
    assert again.status == 400 and again.json["code"] == "invalid_token"
    assert person.login(address, PASSWORD).status == 401
    assert person.login(address, new).data["status"] == "success"
    verdict = server.command("audit", "verify", "--tenant", "acme")
    assert "whole" in verdict, verdict
    assert server.stop() == 0
    mail.close()


def test_on_sqlite(world):
    journey(world, {})


def test_on_postgres(world):
    journey(world, {"DATABASE_URL": world.database()})


def test_on_postgres_without_prepared_statements(world):
    journey(world, {"DATABASE_URL": world.database(), "DATABASE__PREPARED_STATEMENTS": "false"})
