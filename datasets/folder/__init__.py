"""A prepared folder: reader and writer of its layout."""
