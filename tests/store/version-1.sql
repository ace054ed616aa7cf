-- A store of version 1 as an opsagent of that time left it: never changed, so that each later version can be held to it.
PRAGMA auto_vacuum = INCREMENTAL;


CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A model on a target.
CREATE TABLE pair (
    id     INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    model  TEXT NOT NULL,
    UNIQUE (target, model)
) STRICT;

CREATE TABLE baseline (
    pair   INTEGER NOT NULL REFERENCES pair (id),
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    suite  TEXT NOT NULL,
    runs   INTEGER NOT NULL,
    json   TEXT NOT NULL,
    PRIMARY KEY (pair, number)
) STRICT;

CREATE TRIGGER baseline_is_immutable BEFORE UPDATE ON baseline
BEGIN SELECT raise(ABORT, 'a baseline is never changed'); END;

CREATE TRIGGER baseline_is_kept BEFORE DELETE ON baseline
BEGIN SELECT raise(ABORT, 'a baseline is never deleted'); END;

-- Which baseline is compared with.
CREATE TABLE active (
    pair   INTEGER PRIMARY KEY REFERENCES pair (id),
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    FOREIGN KEY (pair, number) REFERENCES baseline (pair, number)
) STRICT;

CREATE TABLE watch (
    pair INTEGER PRIMARY KEY REFERENCES pair (id),
    at   INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    pair              INTEGER NOT NULL REFERENCES pair (id),
    at                INTEGER NOT NULL,
    purpose           TEXT NOT NULL,
    result            TEXT NOT NULL,
    verdict           TEXT NOT NULL,
    distance          REAL,
    kld               REAL,
    passed            INTEGER,
    graded            INTEGER,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    ttft_seconds      REAL,
    tokens_per_second REAL,
    suite             TEXT NOT NULL,
    details           TEXT NOT NULL
) STRICT;
CREATE INDEX run_of_pair ON run (pair, at);
CREATE INDEX run_at ON run (at);

-- The texts of answers: only where the config asks for them.
CREATE TABLE answer (
    run    INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    canary TEXT NOT NULL,
    text   TEXT NOT NULL,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_at ON answer (at);

CREATE TABLE event (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    target   TEXT NOT NULL,
    model    TEXT,
    kind     TEXT NOT NULL,
    severity TEXT NOT NULL,
    words    TEXT NOT NULL,
    details  TEXT NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at);

-- Counters that go on after a restart. The model is empty where the target has the counter.
CREATE TABLE total (
    target TEXT NOT NULL,
    model  TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  REAL NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (target, model, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE hourly (
    target TEXT NOT NULL,
    model  TEXT NOT NULL,
    name   TEXT NOT NULL,
    hour   INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    sum    REAL NOT NULL,
    min    REAL NOT NULL,
    max    REAL NOT NULL,
    last   REAL NOT NULL,
    PRIMARY KEY (target, model, name, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX hourly_at ON hourly (hour);
INSERT INTO meta VALUES ('made_by', 'opsagent 0.1.0');
INSERT INTO pair VALUES (1, 'box', 'qwen3:8b');
INSERT INTO baseline VALUES (1, 1, 1800000000000, 'abc', 20, '{"number":1}');
INSERT INTO active VALUES (1, 1, 1800000000000);
INSERT INTO watch VALUES (1, 1800000000500, '{"runs":1}');
INSERT INTO run VALUES (1, 1, 1800000000250, 'beat', 'ok', 'steady', 0.5, NULL, 3, 4, 120, 35, NULL, 41.5, 'abc', '{"n":1}');
INSERT INTO answer VALUES (1, 0, 1800000000250, 'ar1', '42');
INSERT INTO event VALUES (1, 1800000000300, 'box', 'qwen3:8b', 'identity', 'info', 'the digest changed', '{}');
INSERT INTO total VALUES ('GPU-1', '', 'energy_joules', 7.5, 1800000000300);
INSERT INTO hourly VALUES ('box', 'qwen3:8b', 'distance', 1799996400000, 2, 1.0, 0.25, 0.75, 0.75);
PRAGMA application_id = 0x6f707361;
PRAGMA user_version = 1;
