"""The loop of `fit`: its epochs, the source of their batches, and trainings that diverged."""
