"""What the reader and the writer of MIntRec2.0 share: tables and their columns, the folders of clips, the series."""

SCOPE = "in-scope"
TABLES = ("train.tsv", "dev.tsv", "test.tsv")
COLUMNS = (
    "Dialogue_id", "Utterance_id", "Text", "Label", "Start_timestamp", "End_timestamp", "Source", "speakername",
)  # fmt: skip
CLIPS = ("raw_data", "video")
SERIES = ("superstore", "friends", "bigbang")
