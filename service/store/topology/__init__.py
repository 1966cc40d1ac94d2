"""Where the log lies: in one PostgreSQL, or on the nodes of a cluster."""
