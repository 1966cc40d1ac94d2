"""One worker process: the application, and how it stops."""
