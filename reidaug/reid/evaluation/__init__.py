"""Retrieval: ranking, metrics, re-ranking, clustering."""
