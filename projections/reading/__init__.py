"""How rows are read: only once they hold what was acknowledged, and without a cursor's cost."""
