"""CREMA-D: reader and writer of its layout."""
