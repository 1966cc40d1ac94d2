"""How a projection is built anew beside the live one, and compared with it."""
