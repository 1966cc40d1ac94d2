"""What answers share: shapes, pages, problems, examples."""
