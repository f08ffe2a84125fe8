"""The machine that the program runs on: console, files, memory, optional packages."""
