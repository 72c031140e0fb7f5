"""Applications in JavaScript: openid-client, and oauth4webapi beneath it, with jose as the judge of
the tokens. They are strict about what the standards leave to a server's care, such as the issuer's
name."""

import json

import oauth
from oauth import REDIRECT, app

SCOPES = ["openid", "profile", "email", "offline_access"]


def prepared(world):
    oauth.installed()
    server = oauth.server(world)
    uris = {"redirect_uris": [REDIRECT], "post_logout_redirect_uris": [REDIRECT], "allowed_scopes": SCOPES}
    private, public = oauth.keys("ES256")
    by_key = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public]}}
    apps = {
        "web": app(server, "Web", "web", **uris),
        "jwt": app(server, "Web with a key", "web", **uris, **by_key) | {"key": private},
        "device": app(server, "Television", "web", allowed_scopes=SCOPES),
        "service": app(server, "Service", "service", allowed_scopes=["users:read"]),
        "platform": app(server, "Platform service", "service", tenant=None, allowed_scopes=["admin:read"]),
    }
    shared = {"issuer": oauth.issuer(server), "base": server.base, "apps": apps, "redirect": REDIRECT}
    server.command("tenant", "update", "acme", "--set", "oauth.registration=token")
    token = json.loads(server.command("--json", "app", "registration-token", "create", "--tenant", "acme"))
    return shared | oauth.person() | {"registration_token": token["token"]}


def test_openid_client(world):
    oauth.node("openid_client.mjs", **prepared(world))


def test_oauth4webapi(world):
    oauth.node("oauth4webapi.mjs", **prepared(world))
