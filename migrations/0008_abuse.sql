-- Abuse: what was made of each sign-in, which alarms are raised, and what outsiders may be told.

-- Each try to sign in with a password, and why it was asked what it was asked. Kept for 30 days.
CREATE TABLE sign_ins (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    -- Time-ordered.
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- The address, as a digest: it may have no account.
    subject BYTEA NOT NULL,
    user_id TEXT,
    -- The client's network, as text, and its digest, as counts and alarms have it.
    network TEXT NOT NULL,
    network_subject BYTEA NOT NULL,
    client_id TEXT,
    -- Whether a device that the user had signed in from was shown.
    known_device BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    score BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    -- JSON.
    signals TEXT NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sign_ins_at ON sign_ins (at);
CREATE INDEX sign_ins_user ON sign_ins (tenant_id, user_id) WHERE user_id IS NOT NULL;

-- What is going on: raised by the look at the last minutes, over by itself.
CREATE TABLE alarms (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    kind TEXT NOT NULL,
    -- The digest of a network; empty for the whole tenant.
    subject BYTEA NOT NULL,
    -- For people: the network.
    name TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    until BIGINT NOT NULL,
    -- JSON: the counts that raised it.
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
);
CREATE INDEX alarms_until ON alarms (until);

-- The look itself is one node's at a time.
CREATE TABLE watches (
    name TEXT NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
);

-- What outsiders may be told, in the transaction of what it tells of. Kept for 30 days.
CREATE TABLE events (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- JSON.
    payload TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX events_at ON events (at);

-- How many registrations are new is counted at each look.
CREATE INDEX registrations_created ON registrations (created_at);
