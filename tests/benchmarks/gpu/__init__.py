"""What a GPU is good for here, measured in ten minutes: ``python -m tests.benchmarks.gpu``."""
