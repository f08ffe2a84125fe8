"""Recommendations of a trained model: the best items, scores, reasons and vectors."""
