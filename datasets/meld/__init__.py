"""MELD: reader and writer of its layout."""
