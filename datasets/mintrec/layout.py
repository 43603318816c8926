"""What the reader and the writer of MIntRec share: its tables, their columns, and the folder of its clips."""

TABLES = ("train.tsv", "dev.tsv", "test.tsv")
COLUMNS = ("season", "episode", "clip", "text", "label")
CLIPS = "raw_data"
