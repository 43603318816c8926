"""Ratios measured side by side in one run: ``make benchmark``. Not collected by pytest."""
