"""Rendered people with exact flow."""
