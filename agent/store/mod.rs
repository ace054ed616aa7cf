//! What outlives a restart: baselines, runs, events, totals and hourly history, in one SQLite file.
