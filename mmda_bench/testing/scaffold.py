"""``mmda-bench new method|dataset|backbone NAME``: the file that something new begins as, and its test."""

import re
from pathlib import Path

from mmda_bench.errors import UsageError
from mmda_bench.registry import BACKBONES, DATASETS, METHODS
from mmda_bench.registry.declare import NAME, NAME_RULE, RESERVED
from mmda_bench.testing.templates import KINDS, LOAD, PYPROJECT

REGISTRIES = {"method": METHODS, "dataset": DATASETS, "backbone": BACKBONES}


def new_method(name: str, folder: Path, *, package: bool = False) -> list[Path]:
    """Write ``<name>.py``, a method that passes ``mmda-bench check`` as it is, and ``test_<name>.py`` into ``folder``.

    ``package``: write an installable package with an entry point in their place, in a folder of its own. Raises
    :class:`UsageError` for a name that is taken or ill-formed, and instead of overwriting a file or when the folder
    cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     [path.name for path in new_method("mine", Path(folder))]
    ['mine.py', 'test_mine.py']
    """
    return _new("method", name, folder, package=package)


def new_dataset(name: str, folder: Path, *, package: bool = False) -> list[Path]:
    """As :func:`new_method`: a reader of a small layout of its own, with a test that writes such a corpus.

    >>> new_dataset("avatars", Path("here"))
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: a dataset avatars exists already (built-in); choose another name
    """
    return _new("dataset", name, folder, package=package)


def new_backbone(name: str, folder: Path, *, package: bool = False) -> list[Path]:
    """As :func:`new_method`: a backbone of random projections, in the place of which your networks go.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     [path.name for path in new_backbone("mine", Path(folder), package=True)]
    ['pyproject.toml', 'mine.py', 'test_mine.py']
    """
    return _new("backbone", name, folder, package=package)


def _new(kind: str, name: str, folder: Path, *, package: bool) -> list[Path]:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise UsageError(f"{name!r} cannot name a {kind}; use {NAME_RULE}, and none of {', '.join(RESERVED)}")
    known = REGISTRIES[kind].entries()
    if name in known:
        raise UsageError(f"a {kind} {name} exists already ({known[name].origin}); choose another name")
    stem = re.sub("[-+]", "_", name)
    cls = "".join(part.capitalize() for part in re.split("[-+_]", name))
    facts = {"name": name, "title": name, "cls": cls, "stem": stem, "kind": kind}
    facts |= {"package": f"mmda-bench-{name.replace('+', '-')}", "file": f"{stem}.py", "test": f"test_{stem}.py"}
    code, test = KINDS[kind]
    files = {folder / facts["file"]: code, folder / facts["test"]: test.replace("{load}", LOAD)}
    if package:  # an installed entry point needs no loading by the test
        home = folder / facts["package"]
        files = {home / "pyproject.toml": PYPROJECT, home / facts["file"]: code}
        files[home / "tests" / facts["test"]] = test.replace("{load}\n", "")
    _write({path: text.format(**facts) for path, text in files.items()}, folder)
    return list(files)


def _write(files: dict[Path, str], folder: Path) -> None:
    try:
        for path in files:
            if path.exists():
                raise UsageError(f"{path} exists and is never overwritten; choose another name or folder")
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot write to {folder}: {reason}; choose another folder with --out DIR") from error
