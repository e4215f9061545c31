"""The local store: one SQLite file that only this site's agent writes."""
