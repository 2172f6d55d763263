"""Pages in a browser: the blind preference study."""
