// openid-client against a tenant and the platform: what a web application does with it.

import assert from "node:assert/strict";
import { createRemoteJWKSet, importJWK, jwtVerify } from "jose";
import * as client from "openid-client";
import { Visitor, given, run } from "./common.mjs";

const { issuer, base, apps, redirect, registration_token, ...person } = given();
const insecure = { execute: [client.allowInsecureRequests] };
const visitor = () => new Visitor({ base, ...person });

const discover = (app, authentication, more = {}, server = issuer) =>
  client.discovery(new URL(server), app.client_id, more, authentication, insecure);
const basic = (app) => discover(app, client.ClientSecretBasic(app.client_secret));
const signing = async (app) => ({ key: await importJWK(app.key, app.key.alg), kid: app.key.kid });

/** Code and PKCE; the tokens. `url` makes the address of a request from its parameters. */
async function signIn(config, { scope = "openid profile email offline_access", url, dpop, who = visitor(), more } = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const code_challenge = await client.calculatePKCECodeChallenge(verifier);
  const parameters = { redirect_uri: redirect, scope, state, nonce, code_challenge, code_challenge_method: "S256", ...more };
  const address = await (url ?? client.buildAuthorizationUrl)(config, parameters);
  const back = await who.authorize(address);
  assert.equal(back.searchParams.get("iss"), issuer);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  return client.authorizationCodeGrant(config, back, checks, undefined, { DPoP: dpop });
}

/** A token as jose sees it. */
async function verified(config, token, options) {
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  return jwtVerify(token, keys, { issuer: config.serverMetadata().issuer, ...options });
}

const error = (code) => (fault) => {
  // A challenge hides what the body says, and only comes for this.
  const said = fault.code === "OAUTH_WWW_AUTHENTICATE_CHALLENGE" ? "invalid_client" : fault.error;
  assert.equal(said, code, `${fault} ${JSON.stringify(fault.cause)}`);
  return true;
};

await run({
  async "discovery takes no other issuer for ours"() {
    const metadata = (await basic(apps.web)).serverMetadata();
    assert.equal(metadata.issuer, issuer);
    assert.ok(metadata.supportsPKCE());
    const same = await client.discovery(new URL(issuer), apps.web.client_id, undefined, undefined, { ...insecure, algorithm: "oauth2" });
    assert.deepEqual({ ...same.serverMetadata() }, { ...metadata });
    const byName = `${base}/api/v1/auth/tenants/${person.tenant}`;
    await assert.rejects(client.discovery(new URL(byName), apps.web.client_id, undefined, undefined, insecure), /OAUTH_|issuer/);
  },

  async "a code with PKCE and client_secret_basic"() {
    const config = await basic(apps.web);
    const tokens = await signIn(config);
    const claims = tokens.claims();
    assert.equal(claims.aud, apps.web.client_id);
    const id = await verified(config, tokens.id_token, { audience: apps.web.client_id });
    assert.equal(id.protectedHeader.alg, "RS256");
    const access = await verified(config, tokens.access_token, { typ: "at+jwt" });
    assert.equal(access.protectedHeader.alg, "ES256");
    assert.equal(access.payload.sub, claims.sub);
    const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(user.email, person.email);
    assert.equal(user.given_name, "Grace");

    const seen = await client.tokenIntrospection(config, tokens.access_token);
    assert.ok(seen.active && seen.sub === claims.sub && seen.scope.includes("email"), JSON.stringify(seen));
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(next.claims().sub, claims.sub);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    const narrow = await client.refreshTokenGrant(config, next.refresh_token, { scope: "openid" });
    assert.equal(narrow.scope, "openid");
    await client.tokenRevocation(config, narrow.refresh_token);
    assert.equal((await client.tokenIntrospection(config, narrow.refresh_token)).active, false);
    await assert.rejects(client.refreshTokenGrant(config, narrow.refresh_token), error("invalid_grant"));
    assert.equal((await client.tokenIntrospection(config, narrow.access_token)).active, false);
  },

  async "the secret in the form, and a wrong one"() {
    const posting = await discover(apps.web, client.ClientSecretPost(apps.web.client_secret));
    assert.ok((await client.clientCredentialsGrant(posting, { scope: "openid" })).access_token);
    for (const authentication of [client.ClientSecretBasic("wrong"), client.ClientSecretPost("wrong"), client.None()]) {
      const config = await discover(apps.web, authentication);
      await assert.rejects(client.clientCredentialsGrant(config, { scope: "openid" }), error("invalid_client"));
    }
  },

  async "max_age, prompt=login and prompt=none"() {
    const config = await basic(apps.web);
    const who = visitor();
    const first = await signIn(config, { who });
    const again = await signIn(config, { who, more: { prompt: "none" } });
    assert.equal(again.claims().sub, first.claims().sub);
    assert.equal(again.claims().auth_time, first.claims().auth_time);
    await assert.rejects(signIn(config, { more: { prompt: "none" } }), error("login_required"));
    const hinted = await signIn(config, { who, more: { prompt: "none", id_token_hint: first.id_token, max_age: "3600" } });
    assert.equal(hinted.claims().sid, first.claims().sid);
  },

  async "private_key_jwt, by the issuer's name as audience"() {
    const config = await discover(apps.jwt, client.PrivateKeyJwt(await signing(apps.jwt)));
    const tokens = await signIn(config);
    assert.equal(tokens.claims().aud, apps.jwt.client_id);
    assert.ok((await client.tokenIntrospection(config, tokens.access_token)).active);
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.ok(refreshed.access_token);
  },

  async "a pushed request, and only once"() {
    const config = await basic(apps.web);
    let address;
    const url = async (...it) => (address = await client.buildAuthorizationUrlWithPAR(...it));
    const tokens = await signIn(config, { url });
    assert.ok(tokens.claims().sub && address.searchParams.get("request_uri").startsWith("urn:ietf:params:oauth:request_uri:"));
    assert.equal(address.searchParams.get("redirect_uri"), null);
    const answer = await visitor().send(address);
    assert.equal(answer.status, 400, await answer.text());
  },

  async "a signed request, in the address and pushed"() {
    const config = await discover(apps.jwt, client.PrivateKeyJwt(await signing(apps.jwt)));
    const { key, kid } = await signing(apps.jwt);
    const signed = (config, parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, { key, kid });
    assert.ok((await signIn(config, { url: signed })).claims().sub);
    const both = async (config, parameters) => {
      const address = await signed(config, parameters);
      return client.buildAuthorizationUrlWithPAR(config, { request: address.searchParams.get("request") });
    };
    assert.ok((await signIn(config, { url: both })).claims().sub);
  },

  async "tokens bound to a key, with the nonce that is asked for"() {
    const config = await basic(apps.web);
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const tokens = await signIn(config, { dpop });
    assert.equal(tokens.token_type, "dpop");
    const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP: dpop });
    assert.equal(user.email, person.email);
    // Neither as a bearer token nor with another's key.
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP: other }));
    const seen = await client.tokenIntrospection(config, tokens.access_token);
    assert.equal(seen.cnf.jkt, await dpop.calculateThumbprint());
    const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: dpop });
    assert.equal(next.token_type, "dpop");
    const pushed = (config, parameters) => client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP: dpop });
    assert.equal((await signIn(config, { dpop, url: pushed })).token_type, "dpop");
    // The code belongs to the key that the request was pushed with.
    await assert.rejects(signIn(config, { url: pushed }), error("invalid_grant"));
  },

  async "a device, while its user confirms it"() {
    const config = await basic(apps.device);
    const started = await client.initiateDeviceAuthorization(config, { scope: "openid email" });
    assert.ok(started.user_code && started.verification_uri_complete.includes(started.user_code), JSON.stringify(started));
    const who = visitor();
    await signIn(await basic(apps.web), { who });
    const signal = AbortSignal.timeout(30_000);
    const polled = client.pollDeviceAuthorizationGrant(config, started, undefined, { signal });
    const [got] = await Promise.all([polled, confirm(who, started.verification_uri_complete)]);
    assert.equal((await client.fetchUserInfo(config, got.access_token, got.claims().sub)).email, person.email);
    await verified(config, got.id_token, { audience: apps.device.client_id });
  },

  async "an application that registers itself, and what people are asked about it"() {
    const metadata = { redirect_uris: [redirect], client_name: "Newcomer", scope: "openid email" };
    const register = (initialAccessToken) =>
      client.dynamicClientRegistration(new URL(issuer), metadata, undefined, { ...insecure, initialAccessToken });
    await assert.rejects(register(undefined));
    const config = await register(registration_token);
    assert.equal(config.clientMetadata().client_name, "Newcomer");
    const who = visitor();
    const tokens = await signIn(config, { who, scope: "openid email" });
    assert.deepEqual(who.consents, ["Allow Newcomer?"]);
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).email, person.email);
    // Asked once.
    await signIn(config, { who, scope: "openid email", more: { prompt: "none" } });
    assert.deepEqual(who.consents, ["Allow Newcomer?"]);
  },

  async "signing out, and back to the application"() {
    const config = await basic(apps.web);
    const who = visitor();
    const kept = await signIn(config, { who });
    const tokens = await signIn(config, { who, scope: "openid profile", more: { prompt: "none" } });
    const address = client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: redirect,
      id_token_hint: tokens.id_token,
      state: "bye",
    });
    const answer = await who.send(address);
    const location = new URL(answer.headers.get("location") ?? `x:${answer.status}`);
    assert.equal(location.href, `${redirect}?state=bye`);
    await assert.rejects(signIn(config, { who, more: { prompt: "none" } }), error("login_required"));
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
    // What was asked for to work without the user goes on without the session (offline_access).
    assert.ok((await client.refreshTokenGrant(config, kept.refresh_token)).access_token);
  },

  async "programs, at the tenant and at the platform"() {
    const config = await basic(apps.service);
    const tokens = await client.clientCredentialsGrant(config, { scope: "users:read" });
    assert.equal(tokens.token_type, "bearer");
    assert.equal(tokens.refresh_token, undefined);
    const { payload } = await verified(config, tokens.access_token, { typ: "at+jwt" });
    assert.equal(payload.sub, apps.service.client_id);
    await assert.rejects(client.clientCredentialsGrant(config, { scope: "admin:write" }), error("invalid_scope"));

    const platform = await discover(apps.platform, client.ClientSecretBasic(apps.platform.client_secret), {}, base);
    assert.equal(platform.serverMetadata().issuer, base);
    const wide = await client.clientCredentialsGrant(platform, { scope: "admin:read" });
    assert.equal((await verified(platform, wide.access_token, { typ: "at+jwt" })).payload.scope, "admin:read");
    assert.ok((await client.tokenIntrospection(platform, wide.access_token)).active);
    // Neither is known at the other's endpoints.
    const astray = await basic(apps.platform);
    await assert.rejects(client.clientCredentialsGrant(astray, { scope: "admin:read" }), error("invalid_client"));
  },
});

/** Confirms a device on the page that the address shows, as a browser without scripts would. */
async function confirm(who, address) {
  let answer = await who.send(address);
  for (let step = 0; step < 8; step += 1) {
    if ([302, 303].includes(answer.status)) {
      answer = await who.send(new URL(answer.headers.get("location"), base));
      continue;
    }
    const page = await answer.text();
    assert.equal(answer.status, 200, page);
    if (!/<form/.test(page)) return;
    answer = await who.submit(page, answer.url);
  }
  assert.fail(`the device's page came to no end: ${await answer.text()}`);
}
