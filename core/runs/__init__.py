"""The run on disk: its name, how it is written whole or not at all, how it is read and checked, and what made it.
Free of torch."""
