"""Research ideas built from the public parts of the package, one file per idea."""
