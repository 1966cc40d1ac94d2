"""How projections keep up with the log, and what happens to an event that one cannot take."""
