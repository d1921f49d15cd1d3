-- What people decide, and what an attempt is known to have done.

ALTER TABLE progress ADD COLUMN doubt   INTEGER NOT NULL DEFAULT 0; -- it may have been taken
ALTER TABLE progress ADD COLUMN on_wire INTEGER NOT NULL DEFAULT 0; -- the open attempt's first byte may have left
ALTER TABLE progress ADD COLUMN rare    TEXT;                       -- JSON: what few rows have, such as what people decided

-- A process of the version before said of each open attempt that it may have left.
UPDATE progress SET on_wire = 1 WHERE state = 'SENDING' AND waiting = 1;

ALTER TABLE audit ADD COLUMN by     TEXT NOT NULL DEFAULT ''; -- whose act it is, '' for the hub's own
ALTER TABLE audit ADD COLUMN reason BLOB;                     -- sealed: in that person's own words
CREATE INDEX audit_case ON audit (case_id, seq);

-- What waits because its register cannot answer, for the work list.
CREATE INDEX progress_enrich_wait ON progress (note) WHERE state = 'ENRICH_WAIT';
