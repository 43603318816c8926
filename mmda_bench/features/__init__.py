"""The frozen prefix: run once over a corpus, kept on disk, shared by all cells."""
