"""Replies: each belongs to the server, not to the request that asked for it."""
