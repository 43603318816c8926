"""What the reader and the writer of a prepared folder share: its tables, the domain of each, and their columns."""

COLUMNS = ("video_id", "clip_id", "text", "mode", "emotion")
TABLES: tuple[tuple[str, str | None], ...] = (
    ("labels.csv", None),
    ("label_s.csv", "source"),
    ("label_t.csv", "target"),
)
