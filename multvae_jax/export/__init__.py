"""Trained models as files that other programs run: jax.export, ONNX, weights, vectors, a page."""
