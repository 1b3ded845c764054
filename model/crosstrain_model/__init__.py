"""The specification, executable: configuration, integer rules, the analog array and the golden training."""

__version__ = "0.1.0"
