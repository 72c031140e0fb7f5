-- What nodes keep in memory of tenants, partners and applications, and when it changed: each change
-- gets the next number of the installation, in the transaction of the change. The row of the
-- installation is locked until then, so that numbers become visible in their order.

ALTER TABLE instance ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

CREATE TABLE revisions (
    -- The id of what changed.
    subject TEXT NOT NULL PRIMARY KEY,
    -- The number of its last change.
    revision BIGINT NOT NULL
);

CREATE INDEX revisions_revision ON revisions (revision);
