"""Choices made on the validation users: constants, epochs, beta, a blend, and the model itself."""
