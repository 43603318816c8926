"""What the reader and the writer of IEMOCAP share: the folders of a session, and where the actors stand in a video."""

LABELS, WORDS, VIDEO, SOUND = "dialog/EmoEvaluation", "dialog/transcriptions", "dialog/avi/DivX", "sentences/wav"
PICTURE = (720, 480)  # width and height of the videos, black above and below the two actors
ROWS = slice(122, 360)
LEFT, RIGHT = slice(6, 355), slice(362, 711)
