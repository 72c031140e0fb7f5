// What the clients share: what they are given, and somebody who signs in with a browser's cookies.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** What the scenario hands over on standard input. */
export const given = () => JSON.parse(readFileSync(0, "utf8"));

/** A browser without pages: it keeps cookies and follows no redirect by itself. */
export class Visitor {
  constructor({ base, tenant, email, password }) {
    Object.assign(this, { base, tenant, email, password });
    this.cookies = new Map();
  }

  async send(url, options = {}) {
    const headers = { ...options.headers, cookie: [...this.cookies].map((it) => it.join("=")).join("; ") };
    const answer = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/max-age=0/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  async post(path, fields) {
    const body = JSON.stringify(fields);
    return this.send(this.base + path, { method: "POST", body, headers: { "content-type": "application/json" } });
  }

  /** Follows an authorization request and signs in where it is asked to; where the answer is sent. */
  async authorize(url, credentials = this) {
    const asked = await this.send(url);
    assert.equal(asked.status, 303, `authorize: ${asked.status} ${await asked.text()}`);
    const location = new URL(asked.headers.get("location"), this.base);
    if (!location.href.startsWith(this.base)) return location;
    const { email, password } = credentials;
    const login = await this.post(`/api/v1/auth/tenants/${this.tenant}/login`, { email, password });
    const { data } = await login.json();
    assert.equal(data?.status, "success", `login: ${login.status}`);
    const back = await this.send(new URL(data.redirect_uri, this.base));
    assert.equal(back.status, 303, `resume: ${back.status} ${await back.text()}`);
    return new URL(back.headers.get("location"));
  }
}

/** Runs the tests in turn, and tells of each; ends the process with 1 if one failed. */
export async function run(tests) {
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok ${name}`);
    } catch (fault) {
      console.log(`FAIL ${name}`);
      console.log(fault, fault?.cause ?? "");
      process.exitCode = 1;
    }
  }
}
