"""Keys and tokens: what proves who is asking, and what it allows."""
