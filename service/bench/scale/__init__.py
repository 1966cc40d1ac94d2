"""Measures what each message costs, and calculates from it what many more of them need."""
