"""Sessions for agents of OpenAI's Agents SDK; nothing of the service is loaded with them."""
