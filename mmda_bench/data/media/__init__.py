"""Sound and pictures of files, decoded and written."""
