// What the clients share: what they are given, and somebody who signs in with a browser's cookies.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** What the scenario hands over on standard input. */
export const given = () => JSON.parse(readFileSync(0, "utf8"));

const plain = (html) => html.replaceAll("&#x2f;", "/").replaceAll("&amp;", "&");

/** A browser without pages: it keeps cookies and follows no redirect by itself. */
export class Visitor {
  constructor({ base, tenant, email, password }) {
    Object.assign(this, { base, tenant, email, password });
    this.cookies = new Map();
    // The titles of the pages of consent.
    this.consents = [];
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
    return this.consent(new URL(back.headers.get("location"), this.base));
  }

  /** Says yes on the page of consent where one is in the way. */
  async consent(location) {
    if (!location.href.startsWith(this.base)) return location;
    assert.match(location.pathname, /\/consent$/);
    const page = await (await this.send(location)).text();
    this.consents.push(/<h1[^>]*>([\s\S]*?)<\/h1>/.exec(page)[1].replace(/<[^>]*>/g, ""));
    const answer = await this.submit(page, location);
    const next = new URL(answer.headers.get("location") ?? assert.fail(await answer.text()), this.base);
    if (!next.href.startsWith(this.base)) return next;
    const back = await this.send(next);
    return new URL(back.headers.get("location") ?? assert.fail(await back.text()));
  }

  /** Sends the first form of a page, filled in. */
  async submit(page, address) {
    const [, attributes, form] = /<form([^>]*method="post"[^>]*)>([\s\S]*?)<\/form>/.exec(page);
    const fields = new URLSearchParams();
    for (const [, input] of form.matchAll(/<input([^>]*)>/g)) {
      const attribute = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1];
      if (attribute("type") === "checkbox") continue;
      const typed = { email: this.email, password: this.password }[attribute("name")];
      fields.append(attribute("name"), typed ?? plain(attribute("value") ?? ""));
    }
    // As by the Enter key: its first button.
    const button = /<button([^>]*type="submit"[^>]*)>/.exec(form)[1];
    const name = /\bname="([^"]*)"/.exec(button)?.[1];
    if (name) fields.append(name, /\bvalue="([^"]*)"/.exec(button)?.[1] ?? "");
    const action = plain(/\baction="([^"]*)"/.exec(attributes)?.[1] ?? String(address));
    const headers = { "content-type": "application/x-www-form-urlencoded", origin: this.base, "sec-fetch-site": "same-origin" };
    return this.send(new URL(action, this.base), { method: "POST", body: fields.toString(), headers });
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
