"""The command line: `crosstrain` and `python -m crosstrain`."""
