"""What a data export of ChatGPT holds, as conversations."""
