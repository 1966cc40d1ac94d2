"""`hansard bench`: how fast this machine is with Hansard, beside what else one could do on it."""
