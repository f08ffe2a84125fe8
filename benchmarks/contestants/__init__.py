"""One program a contestant; each runs in a process of its own and answers `alternating`."""
