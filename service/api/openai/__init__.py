"""OpenAI's Conversations API on this log, as OpenAI's own clients send and read it."""
