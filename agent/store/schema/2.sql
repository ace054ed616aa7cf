-- Version 2. What the beat knows of a model, beside what is watched of it: what its last run left behind, whose turn it
-- is, whether it is asked no more. JSON, as it came.

CREATE TABLE beat (
    pair INTEGER PRIMARY KEY REFERENCES pair (id),
    at   INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
