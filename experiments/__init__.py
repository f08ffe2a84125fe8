"""The paper's experiments: one file and one command per question."""
