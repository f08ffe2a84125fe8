"""Variational autoencoders for collaborative filtering as pure JAX functions."""
