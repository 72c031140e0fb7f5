// better-auth: sign-in by e-mail and password, on SQLite, with the same hash as everybody.
// usage: node better_auth.mjs PORT DATABASE [USERS]; makes the users where their number is given
import { createServer } from "node:http";
import { hash, verify } from "@node-rs/argon2";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const [port, path, users] = process.argv.slice(2);
const cost = { memoryCost: 19456, timeCost: 2, parallelism: 1 };
const database = new Database(path);
database.pragma("journal_mode = WAL");
// A commit is durable, as it is for the others.
database.pragma("synchronous = FULL");
const options = {
  database,
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a secret of thirty-two characters!",
  emailAndPassword: {
    enabled: true,
    password: { hash: (password) => hash(password, cost), verify: ({ hash: known, password }) => verify(known, password) },
  },
  rateLimit: { enabled: false },
  logger: { disabled: true },
  telemetry: { enabled: false },
};

async function seed(number) {
  await (await getMigrations(options)).runMigrations();
  const hashed = await hash("correct horse battery staple", cost);
  const now = new Date().toISOString();
  const user = database.prepare('INSERT INTO "user" (id, name, email, emailVerified, createdAt, updatedAt) VALUES (?, ?, ?, 1, ?, ?)');
  const account = database.prepare('INSERT INTO "account" (id, accountId, providerId, userId, password, createdAt, updatedAt) VALUES (?, ?, ?, ?, ?, ?, ?)');
  database.transaction(() => {
    for (let each = 0; each < number; each++) {
      user.run(`u${each}`, "Grace Hopper", `user${each}@example.com`, now, now);
      account.run(`a${each}`, `u${each}`, "credential", `u${each}`, hashed, now, now);
    }
  })();
}

if (users) {
  await seed(Number(users));
} else {
  const handle = toNodeHandler(betterAuth(options));
  createServer((request, response) => {
    if (request.url === "/health") {
      response.end("ok");
    } else {
      handle(request, response);
    }
  }).listen(Number(port), "127.0.0.1");
}
