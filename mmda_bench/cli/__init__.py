"""The command line: it parses, calls :mod:`mmda_bench.api`, prints, and is all that handles signals."""

from mmda_bench.cli.main import app, main

__all__ = ["app", "main"]
