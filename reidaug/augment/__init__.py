"""A whole dataset into new poses."""
