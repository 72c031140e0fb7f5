-- Applications that people sign in to and that act for them (OAuth 2.0 clients), and what is under
-- way between them and us.
--
-- A realm is who issues: a tenant (its id), or the platform ("platform"). What is under way in one
-- realm is never found in another.

CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    -- The platform ("platform"), a partner or a tenant: GLOBAL, PARTNER, TENANT.
    owner TEXT NOT NULL,
    owner_partner TEXT REFERENCES partners (id),
    owner_tenant TEXT REFERENCES tenants (id),
    application_type TEXT NOT NULL CHECK (application_type IN ('WEB', 'SERVICE', 'SPA', 'NATIVE')),
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    -- How it came here: "operator", "registration" (RFC 7591), "metadata_document".
    origin TEXT NOT NULL CHECK (origin IN ('operator', 'registration', 'metadata_document')),
    metadata TEXT NOT NULL,
    -- The secret, and the one before it until its time is over. Secrets are random, so that a
    -- plain digest can be neither guessed nor turned back.
    secret_digest BYTEA,
    secret_created_at BIGINT,
    previous_secret_digest BYTEA,
    previous_secret_expires_at BIGINT,
    -- What a dynamically registered application manages itself with (RFC 7592).
    registration_digest BYTEA,
    -- When a metadata document was last read.
    read_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX applications_client ON applications (client_id, owner) WHERE deleted_at IS NULL;
CREATE INDEX applications_owner ON applications (owner, id);
CREATE INDEX applications_tenant ON applications (owner_tenant);

-- Where pages of an application come from that may call us (CORS), one row for each origin.
CREATE TABLE application_origins (
    application_id TEXT NOT NULL REFERENCES applications (id),
    origin TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (application_id, origin)
);
CREATE INDEX application_origins_origin ON application_origins (origin, owner);

-- Authorization requests between the first look at them and the code: pushed ones (RFC 9126),
-- which no browser has shown yet, and pending ones, which one browser has.
CREATE TABLE authorization_requests (
    realm TEXT NOT NULL,
    digest BYTEA NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    browser BYTEA,
    request TEXT NOT NULL,
    -- The tenant that was chosen on the platform's sign-in page.
    chosen_tenant TEXT REFERENCES tenants (id),
    -- The session that the person chose to go on with.
    chosen_session TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (realm, digest)
);
CREATE INDEX authorization_requests_browser ON authorization_requests (realm, browser, created_at);
CREATE INDEX authorization_requests_expiry ON authorization_requests (expires_at);

CREATE TABLE authorization_codes (
    realm TEXT NOT NULL,
    digest BYTEA NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    user_tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    auth_methods TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    request TEXT NOT NULL,
    -- The family that came of it, so that a second use can end it.
    grant_id TEXT,
    redeemed_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (realm, digest),
    FOREIGN KEY (user_tenant, user_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (user_tenant, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX authorization_codes_session ON authorization_codes (user_tenant, session_id);
CREATE INDEX authorization_codes_user ON authorization_codes (user_tenant, user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

-- Codes of devices that have no browser (RFC 8628).
CREATE TABLE device_codes (
    realm TEXT NOT NULL,
    digest BYTEA NOT NULL,
    -- A keyed digest of what the person types in, canonical.
    user_code BYTEA NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    request TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    user_tenant TEXT,
    user_id TEXT,
    session_id TEXT,
    epoch BIGINT,
    auth_methods TEXT,
    authenticated_at BIGINT,
    grant_id TEXT,
    -- Seconds that have to lie between two polls, and when the last one came.
    poll_interval BIGINT NOT NULL,
    polled_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (realm, digest),
    FOREIGN KEY (user_tenant, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX device_codes_user_code ON device_codes (realm, user_code);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

-- Signed statements that count once: client assertions, DPoP proofs, request objects. By digest of
-- who signed and the statement's own id.
CREATE TABLE seen_statements (
    realm TEXT NOT NULL,
    digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (realm, digest)
);
CREATE INDEX seen_statements_expiry ON seen_statements (expires_at);

-- Access tokens that were revoked one by one, until they would have ended anyway.
CREATE TABLE revoked_tokens (
    realm TEXT NOT NULL,
    digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (realm, digest)
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- What a person has allowed an application.
CREATE TABLE consents (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    scope TEXT NOT NULL,
    -- Rich authorization details that were allowed (RFC 9396), a JSON list.
    details TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, application_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- The applications that a session was used with and that want to know when it ends. The row
-- outlives its session: with the session gone, `session` is null and the notice is due, whichever
-- way the session ended. `sid` is the session as the application knows it.
CREATE UNIQUE INDEX sessions_id ON sessions (id);
CREATE TABLE session_clients (
    tenant_id TEXT NOT NULL,
    sid TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    session TEXT REFERENCES sessions (id) ON DELETE SET NULL,
    realm TEXT NOT NULL,
    -- Whom the application knows the user as, and under which client id.
    sub TEXT NOT NULL,
    client_id TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, sid, application_id)
);
CREATE INDEX session_clients_session ON session_clients (session);
CREATE INDEX session_clients_due ON session_clients (next_try_at) WHERE session IS NULL;

-- What somebody registers applications with (RFC 7591 §1.2, initial access token).
CREATE TABLE registration_tokens (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    label TEXT NOT NULL,
    uses_left BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX registration_tokens_digest ON registration_tokens (tenant_id, digest);
CREATE INDEX registration_tokens_expiry ON registration_tokens (expires_at);

-- A family of an application, and what more its tokens say: JSON. A family without a session
-- lives on after it (`offline_access`).
ALTER TABLE grants ADD COLUMN application_id TEXT REFERENCES applications (id);
ALTER TABLE grants ADD COLUMN details TEXT;
CREATE INDEX grants_application ON grants (tenant_id, user_id, application_id);
-- All that goes with an application.
CREATE INDEX grants_of_application ON grants (application_id) WHERE application_id IS NOT NULL;
CREATE INDEX consents_application ON consents (application_id);
