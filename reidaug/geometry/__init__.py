"""Poses, flows and warping: pure functions on tensors, nothing learns."""
