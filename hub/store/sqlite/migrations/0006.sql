-- That everything has been carried over to another engine (knutpunkt move). What is here since
-- is as it was then, and nobody serves it.
CREATE TABLE moved (
	one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	address TEXT    NOT NULL, -- where it is now
	at      INTEGER NOT NULL
) STRICT;
