"""Pose-guided warping that gives person re-identification models more poses to learn from."""

__version__ = "0.1.0"
