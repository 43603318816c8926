"""A synthetic corpus of talking avatars, embedded: nothing to obtain, nothing to download."""
