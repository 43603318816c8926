"""The version of the suite, which is part of every signature."""

__version__ = "0.1.0"
