-- Which run of the hub the database has come to. The file PATH.epoch beside it tells the
-- same: a database that the file does not know is an older copy, put back.
CREATE TABLE epoch (
	one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	id     TEXT    NOT NULL, -- of the present run, or the last
	before TEXT    NOT NULL  -- of the run before it, which the file may still name; '' for none
) STRICT;

-- Each time that the database was found to be an older copy: every case with anything
-- unsettled is told so, in the order of their ids, before anything is delivered.
CREATE TABLE restores (
	n     INTEGER NOT NULL PRIMARY KEY,
	since INTEGER NOT NULL,
	why   TEXT    NOT NULL,
	after TEXT    NOT NULL, -- the last case that has been told
	cases INTEGER NOT NULL, -- how many have been told
	done  INTEGER NOT NULL  -- 1 when all have
) STRICT;
