"""What `hansard serve` is made of: the port, the lock of the data folder, the workers."""
