"""Replays that are asked for over HTTP, and what is told of every replay."""
