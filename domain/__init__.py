"""What a conversation is: its events, its decisions, its limits and its refusals."""
