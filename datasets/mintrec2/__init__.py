"""MIntRec2.0: reader and writer of its layout."""
