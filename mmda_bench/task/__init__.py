"""A scenario handed out as files, for people who have no program of ours; and what scores their answer."""
