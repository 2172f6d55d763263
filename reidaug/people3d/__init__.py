"""Rendered people: re-ID datasets, and pairs of images with exact flow."""
