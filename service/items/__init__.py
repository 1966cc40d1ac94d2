"""Items of an agent, whole, as messages of the record and back."""
