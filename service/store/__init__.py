"""The event store: the log in PostgreSQL, and everything that appends to it or reads it."""
