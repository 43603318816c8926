"""What the reader and the writer of the layout of MMSA share: its table with its columns, and the folder of clips."""

TABLE, CLIPS = "label.csv", "Raw"
COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
