"""The past, told: histories, the feed of events, reads on record, conversations as of a time."""
