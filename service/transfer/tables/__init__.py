"""What an application kept in tables of its own, as conversations."""
