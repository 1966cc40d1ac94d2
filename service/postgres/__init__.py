"""The PostgreSQL that Hansard runs on: one of its own, or one that it is given."""
