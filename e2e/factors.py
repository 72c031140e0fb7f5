"""An authenticator app, mailed codes, backup codes, trusted devices and tokens, as people and their
programs use them: codes by oathtool, tokens checked by PyJWT, mail by SMTP, races on two nodes."""

import concurrent.futures
import json
import re
import shutil
import subprocess
import time
import urllib.request

from support import PASSWORD, MailServer, Skip, smtp, wait_for

ADDRESS = "grace@example.com"


class App:
    """An authenticator app: oathtool with a key."""

    def __init__(self, secret):
        self.secret = secret

    def code(self, steps=0):
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + 30 * steps))
        command = ["oathtool", "--totp", "--base32", "--now", at, self.secret]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def me(server, token, method, path, **fields):
    """A request of the signed-in user by access token."""
    body = json.dumps(fields).encode() if fields or method != "GET" else None
    client = server.client()
    client.opener.addheaders = [("Authorization", f"Bearer {token}")]
    return client.send(method, f"/api/v1/me{path}", body, "application/json")


def portal(server, endpoint, **fields):
    body = json.dumps(fields).encode()
    return server.client().send("POST", f"/api/v1/auth/{endpoint}", body, "application/json")


def enrolled(server, token):
    """Enrols an authenticator app; the app and the backup codes."""
    offer = me(server, token, "POST", "/mfa/totp/setup").data
    assert offer["otpauth_uri"].startswith("otpauth://totp/") and offer["qr_svg"].startswith("<svg"), offer
    app = App(offer["secret"])
    wrong = me(server, token, "POST", "/mfa/totp/confirm", code="000000" if app.code() != "000000" else "111111")
    assert wrong.status == 400 and wrong.json["code"] == "invalid_code", wrong.text
    confirmed = me(server, token, "POST", "/mfa/totp/confirm", code=app.code(-1)).data
    assert len(set(confirmed["backup_codes"])) == 10, confirmed
    return app, confirmed["backup_codes"]


def verify(client, step, method, code, **more):
    return client.api("mfa/verify", mfa_token=step["mfa_token"], user_id=step["user_id"], method=method, code=code, **more)


def check_token(server, token, user):
    """Has the access token checked by a library that knows nothing of us."""
    try:
        import jwt
    except ImportError:
        raise Skip("no PyJWT")
    tenant = json.loads(jwt.utils.base64url_decode(token.split(".")[1]))["tenant_id"]
    sets = {}
    for path in ("auth/tenants/acme", "platform"):
        keys = json.loads(urllib.request.urlopen(f"{server.base}/api/v1/{path}/.well-known/jwks.json").read())["keys"]
        assert {key["alg"] for key in keys} == {"ES256", "RS256", "EdDSA"} and not any("d" in key for key in keys), keys
        sets[path] = {key["kid"]: key for key in keys}
    kid = jwt.get_unverified_header(token)["kid"]
    assert kid not in sets["platform"], "a tenant's keys are its own"
    public = jwt.PyJWK(sets["auth/tenants/acme"][kid]).key
    claims = jwt.decode(token, public, algorithms=["ES256"], audience="portal", issuer=f"{server.base}/tenants/{tenant}")
    assert claims["sub"] == user and claims["client_id"] == "portal" and claims["exp"] - claims["iat"] == 3600, claims


def story(world, settings):
    if not shutil.which("oathtool"):
        raise Skip("no oathtool")
    mail = MailServer()
    server = world.server({"MAIL__SMTP_URL": smtp(mail), **settings})
    server.tenant().user().start()

    signed_in = portal(server, "login", email=ADDRESS, password=PASSWORD).data
    token = signed_in["access_token"]
    check_token(server, token, signed_in["user_id"])
    app, backup = enrolled(server, token)
    notice = wait_for("the notice", lambda: next((it for it in mail.to(ADDRESS) if "authenticator app" in it.text), None))
    assert not any(code in notice.text for code in backup) and app.secret not in notice.text

    browser = server.client()
    step = browser.login(ADDRESS).data
    assert step["status"] == "mfa_required" and step["available_methods"] == ["totp", "backup_code"], step
    assert not list(browser.jar), "no cookie before the second factor"
    assert verify(browser, step, "totp", app.code(-1)).data["error"] == "invalid_code", "the code of the enrolment"
    done = verify(browser, step, "totp", app.code(), trust_device=True).data
    assert done["status"] == "success" and done["trusted_device_token"], done
    again = verify(browser, step, "totp", app.code(1))
    assert again.status == 401 and again.json["code"] == "invalid_mfa_token", again.text
    trusted = browser.api("login", email=ADDRESS, password=PASSWORD, trusted_device_token=done["trusted_device_token"]).data
    assert trusted["status"] == "success", trusted

    step = server.client().login(ADDRESS).data
    assert verify(server.client(), step, "backup_code", backup[0].upper().replace("-", " ")).data["status"] == "success"
    step = server.client().login(ADDRESS).data
    assert verify(server.client(), step, "backup_code", backup[0]).data["error"] == "invalid_code"
    assert me(server, token, "GET", "/mfa").data["backup_codes"]["remaining"] == 9

    known = len(mail.to(ADDRESS))
    me(server, token, "POST", "/mfa/email/enable").data
    code = re.search(r"\b\d{6}\b", mail.wait(ADDRESS, known + 1).text).group(0)
    assert me(server, token, "POST", "/mfa/email/confirm", code=code).data["status"] == "enabled"
    step = server.client().login(ADDRESS).data
    assert step["available_methods"] == ["totp", "email", "backup_code"], step
    known = len(mail.to(ADDRESS))
    query = f"?mfa_token={step['mfa_token']}&user_id={step['user_id']}"
    sent = server.client().send("POST", f"/api/v1/auth/tenants/acme/mfa/email/send{query}").data
    assert sent["status"] == "sent" and sent["destination"] == "g***@example.com" and sent["expires_in"] == 600, sent
    too_soon = server.client().send("POST", f"/api/v1/auth/tenants/acme/mfa/email/send{query}")
    assert too_soon.status == 429 and int(too_soon.headers["Retry-After"]) <= 60, too_soon.text
    mailed = wait_for("the code", lambda: next((it for it in mail.to(ADDRESS)[known:] if re.search(r"\b\d{6}\b", it.text)), None))
    code = re.search(r"\b\d{6}\b", mailed.text).group(0)
    assert verify(server.client(), step, "email", f"{code[:3]} {code[3:]}").data["status"] == "success"

    refreshed = portal(server, "refresh", refresh_token=signed_in["refresh_token"]).data
    assert me(server, refreshed["access_token"], "GET", "/mfa").status == 200
    assert step["mfa_token"] not in server.log and code not in server.log, "a secret is in the log"
    mail.close()


def test_on_sqlite(world):
    story(world, {})


def test_on_postgres(world):
    story(world, {"DATABASE_URL": world.database()})


def at_once(calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


def test_one_time_things_on_two_postgres_nodes(world):
    """50 at once on each one-time thing, half of them at each node: exactly one wins."""
    if not shutil.which("oathtool"):
        raise Skip("no oathtool")
    first = world.server({"DATABASE_URL": world.database(), "DATABASE__MAX_CONNECTIONS": "20"})
    first.tenant().user().start()
    second = world.server(first.settings, data=first.data).start()
    nodes = [first, second]
    signed_in = portal(first, "login", email=ADDRESS, password=PASSWORD).data
    app, backup = enrolled(first, signed_in["access_token"])

    def race(call):
        return at_once([lambda node=nodes[number % 2]: call(node) for number in range(50)])

    # The first step of a token decides; what else comes is too late or throttled.
    for method, code in (("totp", app.code()), ("backup_code", backup[1])):
        step = nodes[0].client().login(ADDRESS).data
        answers = race(lambda node: verify(node.client(), step, method, code))
        won = [it for it in answers if it.status == 200 and it.json["data"]["status"] == "success"]
        assert len(won) == 1 and not [it for it in answers if it.status == 500], [it.text for it in answers]
    steps = [nodes[0].client().login(ADDRESS).data for _ in range(4)]
    answers = at_once([lambda n=n: verify(nodes[n % 2].client(), steps[n % 4], "backup_code", backup[2]) for n in range(40)])
    won = [it for it in answers if it.status == 200 and it.json["data"]["status"] == "success"]
    assert len(won) == 1, [it.text for it in answers]

    answers = race(lambda node: portal(node, "refresh", refresh_token=signed_in["refresh_token"]))
    tokens = {it.data["refresh_token"] for it in answers if it.status == 200}
    assert len(tokens) == 1 and not [it for it in answers if it.status >= 500], [it.text for it in answers]
    newest = portal(second, "refresh", refresh_token=tokens.pop())
    assert newest.status == 200, newest.text
