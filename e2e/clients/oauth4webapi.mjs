// oauth4webapi, step by step: nothing is repeated or passed over that the standards want checked.

import assert from "node:assert/strict";
import { createRemoteJWKSet, importJWK, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { Visitor, given, run } from "./common.mjs";

const { issuer, base, apps, redirect, ...person } = given();
const insecure = { [oauth.allowInsecureRequests]: true };
const visitor = () => new Visitor({ base, ...person });

const server = await (async () => {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
})();
const web = { client_id: apps.web.client_id };
const secret = oauth.ClientSecretBasic(apps.web.client_secret);

/** The parameters of an authorization request, and what is kept of it. */
async function asked(client, scope = "openid profile email offline_access") {
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  const fixed = { client_id: client.client_id, redirect_uri: redirect, response_type: "code", code_challenge_method: "S256" };
  return { verifier, state, nonce, parameters: { ...fixed, scope, state, nonce, code_challenge } };
}

const address = (parameters) => {
  const url = new URL(server.authorization_endpoint);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
};

/** Sends a request, and once more with the nonce where one is asked for; how often it was sent. */
async function bound(request, process) {
  for (let times = 1; ; times += 1) {
    try {
      return [await process(await request()), times];
    } catch (fault) {
      if (times > 1 || !oauth.isDPoPNonceError(fault)) throw fault;
    }
  }
}

async function signIn(client, authentication, { DPoP } = {}) {
  const it = await asked(client);
  const back = await visitor().authorize(address(it.parameters));
  const parameters = oauth.validateAuthResponse(server, client, back, it.state);
  const [tokens, times] = await bound(
    () => oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, redirect, it.verifier, { ...insecure, DPoP }),
    (answer) => oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: it.nonce, requireIdToken: true }),
  );
  return { tokens, times, parameters, verifier: it.verifier };
}

const denied = (code) => (fault) => {
  assert.equal(fault.error, code, String(fault));
  return true;
};

const answering = async (sent, process, ...more) => process(server, web, ...more, await sent);

await run({
  async "an answer that names its issuer, and a good ID token"() {
    assert.equal(server.authorization_response_iss_parameter_supported, true);
    const { tokens } = await signIn(web, secret);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    assert.deepEqual([claims.iss, claims.aud], [issuer, web.client_id]);
    const keys = createRemoteJWKSet(new URL(server.jwks_uri));
    await jwtVerify(tokens.id_token, keys, { issuer, audience: web.client_id, algorithms: ["RS256"] });
    // As an API would take it (RFC 9068).
    const { payload } = await jwtVerify(tokens.access_token, keys, { issuer, typ: "at+jwt", algorithms: ["ES256"] });
    const request = new Request("https://api.example.com/", { headers: { authorization: `Bearer ${tokens.access_token}` } });
    const audience = [payload.aud].flat()[0];
    const taken = await oauth.validateJwtAccessToken(server, request, audience, insecure);
    assert.equal(taken.sub, claims.sub);

    const sent = oauth.userInfoRequest(server, web, tokens.access_token, insecure);
    const user = await answering(sent, oauth.processUserInfoResponse, claims.sub);
    assert.equal(user.email, person.email);
  },

  async "an answer of another issuer or to another request is found out"() {
    const it = await asked(web);
    const back = await visitor().authorize(address(it.parameters));
    const foreign = new URL(back);
    foreign.searchParams.set("iss", base);
    assert.throws(() => oauth.validateAuthResponse(server, web, foreign, it.state), /iss/);
    assert.throws(() => oauth.validateAuthResponse(server, web, back, "another"), /state/);
  },

  async "no is told to the application, with its issuer"() {
    const it = await asked(web);
    const back = await visitor().authorize(address({ ...it.parameters, prompt: "none" }));
    assert.throws(() => oauth.validateAuthResponse(server, web, back, it.state), denied("login_required"));
    assert.equal(back.searchParams.get("iss"), issuer);
  },

  async "a code is good once, with its verifier"() {
    const { parameters, verifier, tokens } = await signIn(web, secret);
    const again = await oauth.authorizationCodeGrantRequest(server, web, secret, parameters, redirect, verifier, insecure);
    await assert.rejects(oauth.processAuthorizationCodeResponse(server, web, again), denied("invalid_grant"));
    // Who used it first may have been the thief.
    const sent = oauth.introspectionRequest(server, web, secret, tokens.access_token, insecure);
    assert.equal((await answering(sent, oauth.processIntrospectionResponse)).active, false);

    const it = await asked(web);
    const back = await visitor().authorize(address(it.parameters));
    const fresh = oauth.validateAuthResponse(server, web, back, it.state);
    const other = oauth.generateRandomCodeVerifier();
    const wrong = await oauth.authorizationCodeGrantRequest(server, web, secret, fresh, redirect, other, insecure);
    await assert.rejects(oauth.processAuthorizationCodeResponse(server, web, wrong), denied("invalid_grant"));
  },

  async "refreshing, and what an old refresh token brings"() {
    const { tokens } = await signIn(web, secret);
    const refresh = async (token) =>
      oauth.processRefreshTokenResponse(server, web, await oauth.refreshTokenGrantRequest(server, web, secret, token, insecure));
    const next = await refresh(tokens.refresh_token);
    const last = await refresh(next.refresh_token);
    await assert.rejects(refresh(tokens.refresh_token), denied("invalid_grant"));
    await assert.rejects(refresh(last.refresh_token), denied("invalid_grant"));
  },

  async "revoking"() {
    const { tokens } = await signIn(web, secret);
    const look = async (token) =>
      answering(oauth.introspectionRequest(server, web, secret, token, insecure), oauth.processIntrospectionResponse);
    const seen = await look(tokens.refresh_token);
    assert.ok(seen.active && seen.client_id === web.client_id, JSON.stringify(seen));
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, web, secret, tokens.refresh_token, insecure));
    assert.deepEqual(await look(tokens.refresh_token), { active: false });
    assert.deepEqual(await look("nonsense"), { active: false });
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, web, secret, "nonsense", insecure));
  },

  async "a nonce is asked for once, and the token is worth nothing without its key"() {
    const DPoP = oauth.DPoP(web, await oauth.generateKeyPair("ES256"));
    const { tokens, times } = await signIn(web, secret, { DPoP });
    assert.deepEqual([times, tokens.token_type], [2, "dpop"]);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const [user] = await bound(
      () => oauth.userInfoRequest(server, web, tokens.access_token, { ...insecure, DPoP }),
      (answer) => oauth.processUserInfoResponse(server, web, sub, answer),
    );
    assert.equal(user.email, person.email);
    const bare = await fetch(server.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    assert.deepEqual([bare.status, (await bare.json()).error], [401, "invalid_token"]);
    const [next] = await bound(
      () => oauth.refreshTokenGrantRequest(server, web, secret, tokens.refresh_token, { ...insecure, DPoP }),
      (answer) => oauth.processRefreshTokenResponse(server, web, answer),
    );
    assert.equal(next.token_type, "dpop");
  },

  async "a pushed and signed request by private_key_jwt"() {
    const { key: jwk, client_id } = apps.jwt;
    const key = { key: await importJWK(jwk, jwk.alg), kid: jwk.kid };
    const client = { client_id };
    const authentication = oauth.PrivateKeyJwt(key);
    const it = await asked(client);
    const request = await oauth.issueRequestObject(server, client, it.parameters, key);
    const pushed = await oauth.processPushedAuthorizationResponse(
      server,
      client,
      await oauth.pushedAuthorizationRequest(server, client, authentication, { request }, insecure),
    );
    assert.ok(pushed.expires_in > 0 && pushed.expires_in <= 600, JSON.stringify(pushed));
    const back = await visitor().authorize(address({ client_id, request_uri: pushed.request_uri }));
    const parameters = oauth.validateAuthResponse(server, client, back, it.state);
    const answer = await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, redirect, it.verifier, insecure);
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: it.nonce, requireIdToken: true });
    assert.equal(oauth.getValidatedIdTokenClaims(tokens).aud, client_id);
  },

  async "a program, and no more than it may"() {
    const client = { client_id: apps.service.client_id };
    const authentication = oauth.ClientSecretBasic(apps.service.client_secret);
    const ask = async (scope) =>
      oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope }, insecure),
      );
    assert.equal((await ask("users:read")).token_type, "bearer");
    await assert.rejects(ask("admin:read"), denied("invalid_scope"));
  },
});
