"""Readers of tables in many formats."""
