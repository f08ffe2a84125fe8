"""What a training takes before it is run: memory, operations, bytes, time."""
