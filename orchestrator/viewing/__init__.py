"""The run viewer: pages on loopback on which runs are watched, steered and read, row by row."""
