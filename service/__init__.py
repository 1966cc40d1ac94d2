"""Hansard as it is run: the event store, the HTTP surfaces and the commands."""
