"""Conversations as a file of lines: written, read and resumed."""
