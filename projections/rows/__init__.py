"""How changes of rows become statements: the same ones for writer, follower and replay."""
