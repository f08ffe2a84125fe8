"""The machine that the program runs on: memory, files, console."""
