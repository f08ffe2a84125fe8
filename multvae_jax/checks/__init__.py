"""Checks of arguments, each of which refuses what cannot be used in one sentence."""
