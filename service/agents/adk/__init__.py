"""Sessions for agents of Google's ADK; nothing of the service is loaded with them."""
