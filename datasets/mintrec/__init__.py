"""MIntRec: reader and writer of its layout."""
