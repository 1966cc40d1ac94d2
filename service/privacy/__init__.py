"""What people may ask of a record that never forgets: to be forgotten by it."""
