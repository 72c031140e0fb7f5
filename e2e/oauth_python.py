"""Applications in Python: Authlib signs people in, and PyJWT takes every kind of token from what the
key set says."""

import urllib.parse

import oauth
from oauth import GRACE, REDIRECT, app
from support import PASSWORD, Client, Skip

SCOPE = "openid profile email offline_access"


def libraries():
    try:
        import jwt
        from authlib.integrations.requests_client import OAuth2Session
    except ImportError as missing:
        raise Skip(f"no {missing.name}") from None
    return jwt, OAuth2Session


class Visitor:
    """A browser without pages: it follows no redirect by itself."""

    def __init__(self, server):
        import requests

        self.base, self.session = server.base, requests.Session()

    def authorize(self, url):
        """Signs in where it is asked to; where the answer is sent."""
        asked = self.session.get(url, allow_redirects=False)
        assert asked.status_code == 303, f"{asked.status_code} {asked.text}"
        credentials = {"email": GRACE, "password": PASSWORD}
        login = self.session.post(f"{self.base}/api/v1/auth/tenants/acme/login", json=credentials).json()["data"]
        assert login["status"] == "success", login
        back = self.session.get(urllib.parse.urljoin(self.base, login["redirect_uri"]), allow_redirects=False)
        assert back.status_code == 303, f"{back.status_code} {back.text}"
        return back.headers["location"]


def prepared(world):
    libraries()
    server = oauth.server(world)
    metadata = Client(oauth.issuer(server)).get("/.well-known/openid-configuration").json
    return server, metadata


def verified(metadata, token, **options):
    """A token's claims and its algorithm, checked as an API would that knows the issuer alone."""
    jwt, _ = libraries()
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    header = jwt.get_unverified_header(token)
    assert header["alg"] == key.algorithm_name, (header, key.algorithm_name)
    required = {"require": ["exp", "iat", "iss", "aud", "sub"]}
    claims = jwt.decode(token, key, [header["alg"]], issuer=metadata["issuer"], options=required, **options)
    return claims, header


def session(metadata, made, **more):
    _, OAuth2Session = libraries()
    return OAuth2Session(
        made["client_id"],
        made["client_secret"],
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
        **more,
    )


def signed_in(server, metadata, made, **more):
    """The tokens of a sign-in with code and PKCE, and the session that has them."""
    client = session(metadata, made, scope=SCOPE, redirect_uri=REDIRECT, **more)
    url, _ = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier="v" * 43, nonce="n-1")
    back = Visitor(server).authorize(url)
    return client.fetch_token(metadata["token_endpoint"], authorization_response=back, code_verifier="v" * 43), client


def test_authlib(world):
    server, metadata = prepared(world)
    made = app(server, "Web", "web", redirect_uris=[REDIRECT], allowed_scopes=SCOPE.split())
    for method in ["client_secret_basic", "client_secret_post"]:
        tokens, client = signed_in(server, metadata, made, token_endpoint_auth_method=method)
        claims, _ = verified(metadata, tokens["id_token"], audience=made["client_id"])
        assert claims["nonce"] == "n-1", claims
        user = client.get(metadata["userinfo_endpoint"]).json()
        assert (user["sub"], user["email"]) == (claims["sub"], GRACE), user
        fresh = client.refresh_token(metadata["token_endpoint"])
        assert fresh["refresh_token"] != tokens["refresh_token"]
        assert client.introspect_token(metadata["introspection_endpoint"], fresh["access_token"]).json()["active"]
        gone = client.revoke_token(metadata["revocation_endpoint"], fresh["refresh_token"], "refresh_token")
        assert gone.status_code == 200, gone.text
        assert client.get(metadata["userinfo_endpoint"]).status_code == 401


def test_authlib_programs(world):
    server, metadata = prepared(world)
    made = app(server, "Service", "service", allowed_scopes=["users:read", "files:read"])
    client = session(metadata, made, scope="files:read")
    token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    claims, header = verified(metadata, token["access_token"], audience=made["client_id"])
    assert (header["typ"], claims["scope"]) == ("at+jwt", "files:read"), (header, claims)
    made = app(server, "Platform service", "service", tenant=None, allowed_scopes=["admin:read"])
    of_platform = Client(server.base).get("/.well-known/openid-configuration").json
    client = session(of_platform, made, scope="admin:read")
    token = client.fetch_token(of_platform["token_endpoint"], grant_type="client_credentials")
    claims, _ = verified(of_platform, token["access_token"], audience=made["client_id"])
    assert (claims["iss"], claims["sub"]) == (server.base, made["client_id"]), claims


def test_every_kind_of_token(world):
    server, metadata = prepared(world)
    for algorithm in ["RS256", "ES256", "EdDSA"]:
        chosen = {f"{kind}_signed_response_alg": algorithm for kind in ["id_token", "access_token", "userinfo"]}
        made = app(server, algorithm, "web", redirect_uris=[REDIRECT], allowed_scopes=SCOPE.split(), **chosen)
        tokens, client = signed_in(server, metadata, made)
        claims, header = verified(metadata, tokens["id_token"], audience=made["client_id"])
        assert (header["alg"], claims["aud"]) == (algorithm, made["client_id"]), (header, claims)
        access, header = verified(metadata, tokens["access_token"], audience=made["client_id"])
        assert (header["alg"], header["typ"]) == (algorithm, "at+jwt"), header
        assert access["client_id"] == made["client_id"], access
        answer = client.get(metadata["userinfo_endpoint"])
        assert answer.headers["content-type"] == "application/jwt", answer.headers
        jwt, _ = libraries()
        key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(answer.text)
        user = jwt.decode(answer.text, key, [algorithm], issuer=metadata["issuer"], audience=made["client_id"])
        assert user["sub"] == claims["sub"] == access["sub"], user
        # A token is nobody else's.
        for wrong in [{"audience": "another"}, {"audience": made["client_id"], "leeway": -7200}]:
            try:
                verified(metadata, tokens["id_token"], **wrong)
            except jwt.InvalidTokenError:
                continue
            raise AssertionError(f"taken: {wrong}")
