"""Every error that is a message for people, each with the exit code of a command that ends with it."""

import difflib


class MessageError(Exception):
    """What went wrong, in words for the person at the terminal: the value, what was expected, the next command.

    >>> MessageError.exit_code
    1
    """

    exit_code = 1


class UsageError(MessageError):
    """The user asked for something that does not exist; the message says what does.

    >>> from mmda_bench.registry import METHODS
    >>> METHODS.entry("a3d")
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: unknown method 'a3d': did you mean a3d2?
    """

    exit_code = 2


class DataError(MessageError):
    """The corpus is missing or unusable. The message names what was found, what was expected and what to do.

    >>> from mmda_bench import corpus
    >>> corpus("mintrec")
    Traceback (most recent call last):
    mmda_bench.errors.DataError: ...
    """

    exit_code = 4


class ClipError(MessageError):
    """One utterance cannot be read; the message says why. It is left out, counted, and named in every record.

    >>> raise ClipError("u07.wav holds no sound")
    Traceback (most recent call last):
    mmda_bench.errors.ClipError: u07.wav holds no sound
    """

    exit_code = 4


class StoreError(MessageError):
    """The results folder cannot be used; the message names the folder, the reason and what to do.

    >>> raise StoreError("results is not writable; choose another folder with --results DIR")
    Traceback (most recent call last):
    mmda_bench.errors.StoreError: results is not writable; choose another folder with --results DIR
    """

    exit_code = 5


class ResourceError(MessageError):
    """The machine or the cluster lacks what the run asks for; the message says what there is.

    >>> issubclass(DiedError, ResourceError), ResourceError.exit_code
    (True, 5)
    """

    exit_code = 5


class DiedError(ResourceError):
    """A process that a command needs was killed; what was finished before is kept."""


class RayDiedError(DiedError):
    """Ray does not start, or a part of it has died under a sweep; the cells that have ended are stored."""


class Remark(UserWarning):
    """Something that a person should know of a run that goes on; the command line prints it as a line of its own."""


class ContractError(MessageError):
    """A method, a dataset or a backbone does not keep to its contract; the message is for its author."""

    exit_code = 3


def told(error: BaseException) -> str:
    """Kind and text of an error of somebody else's code, whose text may fail itself.

    >>> class Odd(Exception):
    ...     def __str__(self):
    ...         raise ValueError
    >>> told(KeyError("x")), told(Odd())
    ("KeyError: 'x'", 'Odd: its text cannot be shown')
    """
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be shown"
    return f"{type(error).__name__}: {text}"


def suggest(name: str, known: list[str]) -> str:
    """', did you mean X?' or '' for a name that resembles nothing known.

    >>> suggest("dan", ["dt", "dann"]), suggest("xyz", ["dt", "dann"])
    (': did you mean dann?', '')
    """
    close = closest(name, known)
    return f": did you mean {close}?" if close else ""


def closest(name: str, known: list[str]) -> str:
    """That which ``name`` resembles most, or ''.

    >>> closest("dan", ["dt", "dann"]), closest("xyz", ["dt", "dann"])
    ('dann', '')
    """
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)), "")
