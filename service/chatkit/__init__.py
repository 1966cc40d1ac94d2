"""ChatKit on the log: its Store, and the server that answers its requests."""
