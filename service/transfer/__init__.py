"""In and out: conversations as files, and those that were kept elsewhere."""
