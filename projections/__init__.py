"""What is read: tables that are derived from the log, and how they follow it."""
