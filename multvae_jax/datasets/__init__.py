"""Data sets by name: presets, downloads, archives, and the files that come with the package."""
