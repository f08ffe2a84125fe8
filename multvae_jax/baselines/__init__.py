"""Recommenders to compare with, each a `Scorer` like a trained model."""
