"""Ranking metrics, evaluation of recommenders, and tests of significance."""
