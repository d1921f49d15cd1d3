-- The registers of residents that files feed.

-- How far each register's files have been read.
CREATE TABLE bookmarks (
	register   TEXT    NOT NULL PRIMARY KEY,
	files      INTEGER NOT NULL, -- read whole
	shown      INTEGER NOT NULL, -- the last of them by which the register speaks
	from_file  INTEGER NOT NULL, -- the first of them that counts
	posts      INTEGER NOT NULL, -- of the next one, kept and seen by nobody
	as_of      INTEGER NOT NULL,
	note       TEXT    NOT NULL  -- the connector's own
) STRICT, WITHOUT ROWID;

-- What a file says of a person counts from when it is shown, until a later one that is shown
-- says something else.
CREATE TABLE residents (
	register     TEXT    NOT NULL,
	person       BLOB    NOT NULL, -- blind index
	file         INTEGER NOT NULL,
	municipality TEXT    NOT NULL, -- whose key it is sealed with
	data_key     BLOB,             -- NULL for who is in the register no more
	sealed       BLOB,
	PRIMARY KEY (register, person, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX residents_file ON residents (register, file);
CREATE INDEX residents_gone ON residents (register, file) WHERE sealed IS NULL;
