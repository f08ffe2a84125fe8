"""Options, configuration files, and the values that options stand for."""
