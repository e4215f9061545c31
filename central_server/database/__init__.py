"""Tables, sessions and queries of the centre; the same on SQLite and PostgreSQL."""
