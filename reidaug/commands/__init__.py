"""One file a command: where the rooms meet."""
