"""A trained model behind HTTP: `multvae serve`."""
