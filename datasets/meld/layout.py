"""What the reader and the writer of MELD share: its parts, the columns of its tables, and its emotions."""

from collections.abc import Mapping

PARTS: Mapping[str, str] = {  # the folder of the clips of each part
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
COLUMNS = (
    "Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
    "StartTime", "EndTime",
)  # fmt: skip
EMOTIONS: Mapping[str, str] = {  # and what other corpora call them
    "neutral": "neutral",
    "joy": "happy",
    "surprise": "surprise",
    "anger": "angry",
    "sadness": "sad",
    "disgust": "disgust",
    "fear": "fear",
}
