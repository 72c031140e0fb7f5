// node oidc-provider with its adapter in memory: tokens of programs, refresh, userinfo, introspection.
// usage: node oidc_provider.mjs PORT TOKENS; prints so many refresh tokens and one access token
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, tokens] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "bench" };
// Its own storage in memory forgets all but a thousand things; this one keeps them, and is as cheap.
class Kept {
  static all = new Map();
  static grants = new Map();

  constructor(kind) {
    this.kind = kind;
  }

  async upsert(id, payload) {
    Kept.all.set(`${this.kind}:${id}`, payload);
    if (payload.grantId && this.kind !== "Grant") {
      const members = Kept.grants.get(payload.grantId) ?? [];
      Kept.grants.set(payload.grantId, members);
      members.push(`${this.kind}:${id}`);
    }
  }

  async find(id) {
    return Kept.all.get(`${this.kind}:${id}`);
  }

  async consume(id) {
    Kept.all.get(`${this.kind}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Kept.all.delete(`${this.kind}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const key of Kept.grants.get(grantId) ?? []) Kept.all.delete(key);
    Kept.grants.delete(grantId);
  }
}

const audience = "https://api.example.com";
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Kept,
  clients: [
    {
      client_id: "bench",
      client_secret: "a-secret-that-is-long-enough-for-anybody",
      grant_types: ["client_credentials", "authorization_code", "refresh_token"],
      redirect_uris: ["https://app.example.com/callback"],
      token_endpoint_auth_method: "client_secret_post",
      id_token_signed_response_alg: "ES256",
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: ["a key for cookies"] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // Whoever asks for a person's information does not ask for a resource.
      defaultResource: (ctx, client) => (ctx.oidc?.params?.grant_type === "client_credentials" ? audience : undefined),
      getResourceServerInfo: () => ({ scope: "api:read", audience, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } }),
    },
  },
  scopes: ["openid", "offline_access", "email"],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }) }),
  rotateRefreshToken: true,
});

async function seed(number) {
  const client = await provider.Client.find("bench");
  const scope = "openid offline_access email";
  const refresh = [];
  let access;
  for (let each = 0; each < number; each++) {
    const accountId = `user${each}`;
    const grant = new provider.Grant({ accountId, clientId: "bench" });
    grant.addOIDCScope(scope);
    const facts = { accountId, client, grantId: await grant.save(), scope, gty: "authorization_code", claims: {}, authTime: Math.floor(Date.now() / 1000) };
    refresh.push(await new provider.RefreshToken({ ...facts, rotations: 0, iiat: facts.authTime }).save());
    access ??= await new provider.AccessToken(facts).save();
  }
  return { refresh, access };
}

const made = await seed(Number(tokens));
provider.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify(made)));
