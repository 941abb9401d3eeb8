-- Clients have a generation, and certificates with which those of the signed generation sign.

PRAGMA user_version = 2;

ALTER TABLE clients ADD COLUMN generation TEXT NOT NULL DEFAULT 'rc.3';
ALTER TABLE heads ADD COLUMN generation TEXT NOT NULL DEFAULT 'rc.3';

CREATE TABLE enrolments (
    fingerprint BLOB    PRIMARY KEY NOT NULL, -- of the certificate; or what was registered instead of one
    key         BLOB,                         -- the digest of its key,
    names       BLOB,                         -- of its subject and issuer, if there is a subject, and
    certificate TEXT,                         -- itself: base64 of DER; all null while only a fingerprint is known
    client      TEXT,
    state       TEXT    NOT NULL,             -- pending, accepted or rejected
    asked_at    INTEGER NOT NULL,
    note        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX enrolments_by_key ON enrolments (key);
CREATE INDEX enrolments_by_names ON enrolments (names);
CREATE INDEX enrolments_of_client ON enrolments (client);
CREATE INDEX enrolments_pending ON enrolments (asked_at) WHERE state = 'pending';
