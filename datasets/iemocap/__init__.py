"""IEMOCAP: reader and writer of its layout."""
