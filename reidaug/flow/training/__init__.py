"""Training of flow estimators."""
