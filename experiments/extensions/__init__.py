"""Research ideas built from the package's public parts alone, a file each."""
