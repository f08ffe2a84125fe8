"""The ablation behind the default recipe, one ingredient at a time."""
