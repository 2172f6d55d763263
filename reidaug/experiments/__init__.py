"""Experiments: re-ID fine-tuning, unsupervised adaptation, comparison of flow estimators."""
