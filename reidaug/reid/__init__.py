"""Person re-identification: features, training, honest evaluation."""
