"""Crops -> joints and outlines of the people on them."""
