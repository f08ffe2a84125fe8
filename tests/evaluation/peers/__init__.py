"""Recommendation lists that other systems wrote, and the scripts that make them."""
