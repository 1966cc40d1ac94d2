"""What Hansard answers over HTTP, one file a surface."""
