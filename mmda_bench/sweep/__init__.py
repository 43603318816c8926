"""From a plan to records: which cells, where they run, and what they tell while they do."""
