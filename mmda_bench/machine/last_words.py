"""What is said if this process ends without a chance to speak: killed, or ended by a library's C++ code."""

import contextlib
import subprocess

# Reads a line, which comes when there is nothing to say; a process that ends closes the pipe without one.
LISTENER = 'read -r _ || printf "%s\\n" "$0" >&2'


class LastWords:
    """A child process that writes ``text`` to standard error if this one ends before :meth:`unsay`.

    >>> words = LastWords("ended early")
    >>> words.unsay()
    """

    def __init__(self, text: str) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no room for a process: then nothing is said
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", LISTENER, text],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def unsay(self) -> None:
        """There will be nothing to say; a second call changes nothing."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(OSError):  # somebody has ended it
                child.communicate(b"\n")
