"""Readers of tables in many formats, as checked columns."""
