-- Everything belongs to a client. Ids are text, digests are their 32 bytes, versions are 64 bits as a signed number,
-- times are microseconds since 1970 in UTC, findings are a JSON list of lines.

PRAGMA application_id = 0x6d617267; -- "marg"
PRAGMA user_version = 1;

CREATE TABLE clients (
    id       TEXT    PRIMARY KEY NOT NULL,
    accepted INTEGER NOT NULL,
    note     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    client       TEXT    NOT NULL,
    device       TEXT    NOT NULL,
    capabilities BLOB    NOT NULL,
    findings     TEXT    NOT NULL,
    reported_at  INTEGER NOT NULL,
    PRIMARY KEY (client, device)
) STRICT;

-- The newest publication.
CREATE TABLE heads (
    client   TEXT    PRIMARY KEY NOT NULL,
    version  INTEGER NOT NULL,
    digest   BLOB    NOT NULL,
    manifest BLOB    NOT NULL
) STRICT;

-- Every publication there ever was; never pruned, for it tells that a store was restored from a backup.
CREATE TABLE versions (
    client  TEXT    NOT NULL,
    digest  BLOB    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (client, digest)
) STRICT, WITHOUT ROWID;

-- The deployments that a client has, or had and is still expected to report on.
CREATE TABLE deployments (
    client       TEXT    NOT NULL,
    deployment   TEXT    NOT NULL,
    digest       BLOB    NOT NULL,
    taken_out_at INTEGER,          -- null while the newest publication has it
    removed      INTEGER NOT NULL, -- whether it was reported removed after that
    PRIMARY KEY (client, deployment)
) STRICT, WITHOUT ROWID;

-- Documents and, with an empty deployment, bundles.
CREATE TABLE contents (
    client        TEXT NOT NULL,
    deployment    TEXT NOT NULL,
    digest        BLOB NOT NULL,
    bytes         BLOB NOT NULL,
    superseded_at INTEGER, -- null while the newest publication has it
    PRIMARY KEY (client, deployment, digest)
) STRICT;

CREATE INDEX contents_by_age ON contents (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE INDEX contents_current ON contents (client) WHERE superseded_at IS NULL;

-- The latest report on every deployment and device; the device is empty when the report names none.
CREATE TABLE statuses (
    client      TEXT    NOT NULL,
    deployment  TEXT    NOT NULL,
    device      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    status      BLOB    NOT NULL,
    findings    TEXT    NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (client, deployment, device)
) STRICT;

-- The last reports on every deployment, in the order in which they came.
CREATE TABLE history (
    position    INTEGER PRIMARY KEY NOT NULL,
    client      TEXT    NOT NULL,
    deployment  TEXT    NOT NULL,
    device      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    status      BLOB    NOT NULL,
    findings    TEXT    NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;

CREATE INDEX history_of_deployment ON history (client, deployment, position);
