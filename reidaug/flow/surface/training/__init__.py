"""Training of surface flow on rendered people."""
