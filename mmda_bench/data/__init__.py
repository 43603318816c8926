"""Corpora on their way in and out: reading, checking, splitting, verifying, exporting."""
