-- Everything that the hub remembers. Times are nanoseconds since 1970 in UTC, 0 for none.
-- What says something about a person is sealed (hub/seal), or a blind index of 16 bytes
-- where rows must be found by it. The tables are versioned by table migrations.

-- One row for each process that had the database open; its number begins the tokens
-- of the leases that the process gave.
CREATE TABLE boots (
	n       INTEGER PRIMARY KEY AUTOINCREMENT,
	name    TEXT    NOT NULL,
	started INTEGER NOT NULL
) STRICT;

CREATE TABLE cases (
	id           TEXT    NOT NULL PRIMARY KEY,
	instance     BLOB    UNIQUE, -- blind index: municipality, source system, the platform's instance
	municipality TEXT    NOT NULL,
	source       TEXT    NOT NULL,
	service      TEXT    NOT NULL,
	step         TEXT    NOT NULL,
	step_at      INTEGER NOT NULL,
	ref          TEXT    NOT NULL,
	voice        TEXT    NOT NULL,
	teller       TEXT    NOT NULL,
	expect       TEXT             -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE submissions (
	n            INTEGER PRIMARY KEY, -- in the order of their commits, which pages of a list follow
	id           TEXT    NOT NULL UNIQUE,
	case_id      TEXT    NOT NULL REFERENCES cases (id),
	municipality TEXT    NOT NULL,
	service      TEXT    NOT NULL,
	form_version TEXT    NOT NULL,
	system       TEXT    NOT NULL,
	submitted    INTEGER NOT NULL,
	received     INTEGER NOT NULL,
	inkommen     INTEGER NOT NULL,
	data_key     BLOB    NOT NULL, -- wrapped by the municipality's key
	contents     BLOB    NOT NULL, -- sealed
	original     BLOB              -- sealed: id, size and hash of the form as it came
) STRICT;
CREATE INDEX submissions_municipality ON submissions (municipality, n);
CREATE INDEX submissions_case         ON submissions (case_id, n);

-- By which keys of the key file data keys are wrapped: a start without one of them is refused.
CREATE TABLE wraps (
	municipality TEXT NOT NULL,
	head         BLOB NOT NULL, -- the first bytes of the wraps
	PRIMARY KEY (municipality, head)
) STRICT, WITHOUT ROWID;

-- How each submission and each delivery of a case stands.
CREATE TABLE progress (
	key          TEXT    NOT NULL PRIMARY KEY,
	case_id      TEXT    NOT NULL REFERENCES cases (id),
	place        INTEGER NOT NULL, -- in the case
	municipality TEXT    NOT NULL,
	queue        TEXT,             -- where it waits to be claimed; NULL when it does not
	ref          TEXT,             -- what its system calls it in reports
	kind         TEXT    NOT NULL,
	state        TEXT    NOT NULL,
	reason       TEXT    NOT NULL,
	note         TEXT    NOT NULL,
	since        INTEGER NOT NULL,
	due          INTEGER NOT NULL,
	lease_boot   TEXT    NOT NULL,
	lease_token  INTEGER NOT NULL,
	lease_until  INTEGER NOT NULL,
	attempts     INTEGER NOT NULL,
	crashes      INTEGER NOT NULL,
	waiting      INTEGER NOT NULL,
	revision     TEXT    NOT NULL,
	submission   TEXT    NOT NULL,
	leg          TEXT    NOT NULL,
	system       TEXT    NOT NULL,
	operation    TEXT    NOT NULL,
	level        TEXT    NOT NULL,
	lag          INTEGER NOT NULL,
	after        TEXT    NOT NULL,
	step         TEXT    NOT NULL,
	sha256       BLOB,
	receipt      TEXT,             -- JSON
	misses       INTEGER NOT NULL,
	asking       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_case   ON progress (case_id, place);
-- What waits only: claims cost the same however much has been delivered or waits.
CREATE INDEX progress_due    ON progress (queue, municipality, due) WHERE queue IS NOT NULL;
CREATE INDEX progress_leased ON progress (lease_boot) WHERE lease_boot <> '';
CREATE INDEX progress_ref    ON progress (system, ref) WHERE ref IS NOT NULL;
CREATE INDEX progress_held   ON progress (reason, submission) WHERE state = 'HELD';

CREATE TABLE attempts (
	key     TEXT    NOT NULL,
	n       INTEGER NOT NULL,
	boot    TEXT    NOT NULL,
	token   INTEGER NOT NULL,
	started INTEGER NOT NULL,
	ended   INTEGER NOT NULL,
	answer  TEXT    NOT NULL,
	note    TEXT    NOT NULL,
	PRIMARY KEY (key, n)
) STRICT, WITHOUT ROWID;

-- What was received under a client's key, or a source's own reference. Never expires.
CREATE TABLE seen (
	mark        BLOB NOT NULL PRIMARY KEY, -- blind index
	submission  TEXT NOT NULL,
	fingerprint BLOB NOT NULL              -- blind index of the content's hash
) STRICT, WITHOUT ROWID;

-- Whose case it is, in Mina ärenden.
CREATE TABLE followers (
	person  BLOB NOT NULL, -- blind index
	case_id TEXT NOT NULL,
	PRIMARY KEY (person, case_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
	submission TEXT NOT NULL PRIMARY KEY,
	answers    BLOB NOT NULL -- sealed: what registers said
) STRICT, WITHOUT ROWID;

CREATE TABLE fetched (
	submission TEXT    NOT NULL,
	attachment INTEGER NOT NULL, -- its place among the attachments
	blob       BLOB    NOT NULL, -- sealed: id, size and hash
	PRIMARY KEY (submission, attachment)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
	id         TEXT NOT NULL PRIMARY KEY,
	submission TEXT NOT NULL REFERENCES submissions (id),
	content    BLOB -- sealed; NULL when it is a file of that name
) STRICT, WITHOUT ROWID;

-- What a reader sees. Numbered by the only writer, in the transaction itself.
CREATE TABLE feed (
	seq          INTEGER PRIMARY KEY,
	case_id      TEXT    NOT NULL,
	municipality TEXT    NOT NULL,
	service      TEXT    NOT NULL,
	submission   TEXT    NOT NULL,
	step         TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	expect       INTEGER NOT NULL,
	ref          TEXT    NOT NULL,
	ball         TEXT    NOT NULL
) STRICT;
CREATE INDEX feed_case         ON feed (case_id, seq);
CREATE INDEX feed_municipality ON feed (municipality, seq);

CREATE TABLE audit (
	seq          INTEGER PRIMARY KEY,
	at           INTEGER NOT NULL,
	municipality TEXT    NOT NULL,
	case_id      TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	what         TEXT    NOT NULL,
	note         TEXT    NOT NULL
) STRICT;

-- What systems told, without their own words: those may say anything.
CREATE TABLE reports (
	n          INTEGER PRIMARY KEY,
	system     TEXT    NOT NULL,
	id         TEXT    NOT NULL,
	ref        TEXT    NOT NULL,
	key        TEXT    NOT NULL,
	step       TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	correction INTEGER NOT NULL,
	heard      INTEGER NOT NULL,
	case_id    TEXT,             -- NULL: about what is not known yet
	UNIQUE (system, id)
) STRICT;
CREATE INDEX reports_unmatched ON reports (system, ref) WHERE case_id IS NULL;

CREATE TABLE cursors (
	system TEXT    NOT NULL PRIMARY KEY,
	cursor TEXT    NOT NULL,
	saved  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bundles (
	revision TEXT    NOT NULL PRIMARY KEY,
	archive  BLOB    NOT NULL,
	saved    INTEGER NOT NULL
) STRICT;

CREATE TABLE active (
	one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	revision TEXT    NOT NULL REFERENCES bundles (revision)
) STRICT;

-- Counted in the transactions that change what is counted.
CREATE TABLE tallies (
	what  TEXT    NOT NULL, -- accepted, state, held, waiting
	label TEXT    NOT NULL,
	n     INTEGER NOT NULL,
	PRIMARY KEY (what, label)
) STRICT, WITHOUT ROWID;
