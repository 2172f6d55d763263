"""Flow estimators: from two poses to where each target pixel samples the source."""
