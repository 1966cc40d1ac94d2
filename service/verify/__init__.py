"""Whether the record is what was once recorded."""
