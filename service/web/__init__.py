"""The pages that Hansard serves; none of them loads anything from another host."""
