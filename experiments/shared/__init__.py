"""Code shared by the experiments: options, training, tuning, tables, figures and the runner."""
