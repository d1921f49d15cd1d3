-- The way back: who follows a case and for how long, who is logged in, which words nobody
-- has translated, what platforms say that they have sent, and what all are told.

-- A case may have several who want to be told of it: cases.teller is a list with spaces now.

-- Who did not send a form of the case in follows it for as long as what registers said is
-- fresh. Whom a form named has followed it for good until now, and still does.
ALTER TABLE followers ADD COLUMN checked INTEGER NOT NULL DEFAULT 0; -- when they said so; 0 for who sent a form in
CREATE INDEX followers_case ON followers (case_id, checked);

CREATE TABLE sessions (
	id     BLOB    NOT NULL PRIMARY KEY, -- hash of the secret that the browser holds
	sealed BLOB    NOT NULL,             -- with that secret
	begun  INTEGER NOT NULL,
	seen   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_seen ON sessions (seen);

-- A report whose word has no Step keeps the word's index, so that it can be heard when the
-- word is translated.
ALTER TABLE reports ADD COLUMN mark BLOB; -- blind index of the word; NULL when it had a Step
CREATE INDEX reports_marked ON reports (system, mark) WHERE mark IS NOT NULL;
CREATE INDEX reports_case   ON reports (case_id) WHERE case_id IS NOT NULL;
CREATE TABLE words (
	system   TEXT    NOT NULL,
	mark     BLOB    NOT NULL, -- blind index of the word
	data_key BLOB    NOT NULL, -- wrapped by the key that is nobody's own
	text     BLOB    NOT NULL, -- sealed: it may say anything
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	PRIMARY KEY (system, mark)
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
	id           TEXT    NOT NULL PRIMARY KEY,
	municipality TEXT    NOT NULL, -- '' for all
	swedish      TEXT    NOT NULL,
	english      TEXT    NOT NULL,
	begins       INTEGER NOT NULL,
	ends         INTEGER NOT NULL,
	by           TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sent (
	municipality TEXT    NOT NULL,
	source       TEXT    NOT NULL,
	service      TEXT    NOT NULL,
	day          TEXT    NOT NULL,
	sent         INTEGER NOT NULL,
	data_key     BLOB    NOT NULL,
	ids          BLOB    NOT NULL, -- sealed: the platform's own references
	by           TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	PRIMARY KEY (day, municipality, source, service)
) STRICT, WITHOUT ROWID;

-- From which platforms cases have come: a reference is looked for as that of each.
CREATE TABLE origins (
	municipality TEXT NOT NULL,
	source       TEXT NOT NULL,
	PRIMARY KEY (municipality, source)
) STRICT, WITHOUT ROWID;
INSERT INTO origins SELECT DISTINCT municipality, source FROM cases;

CREATE INDEX submissions_inkommen ON submissions (inkommen);
CREATE INDEX cases_ref            ON cases (ref) WHERE ref <> '';
-- For handling times: the line that a form comes in with says nothing of them.
CREATE INDEX feed_service         ON feed (municipality, service, at) WHERE step <> 'inkommet';

-- When a person had a system called no more, and when it was taken up again.
CREATE TABLE pauses (
	n            INTEGER PRIMARY KEY,
	system       TEXT    NOT NULL,
	since        INTEGER NOT NULL,
	by           TEXT    NOT NULL,
	data_key     BLOB    NOT NULL, -- wrapped by the key that is nobody's own
	reason       BLOB    NOT NULL, -- sealed: people write what they like
	ended        INTEGER NOT NULL, -- 0 while it lasts
	ended_by     TEXT    NOT NULL,
	ended_reason BLOB              -- sealed
) STRICT;
CREATE UNIQUE INDEX pauses_present ON pauses (system) WHERE ended = 0;
-- What somebody may have told again.
CREATE INDEX progress_told ON progress (system, since) WHERE kind = 'telling' AND state = 'DELIVERED';
