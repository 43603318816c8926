"""A kind of input: made once, damaged at will, and looked at."""

import random
import shutil
from pathlib import Path
from typing import ClassVar

from tests.system import mutations


class Kind:
    """Files under ``folder``. ``share`` of all attempts; ``canary``: a file that only code in an input would make."""

    name: ClassVar[str]
    share: ClassVar[int]

    def __init__(self, folder: Path) -> None:
        self.folder, self.canary = folder, folder / "canary"
        self.file = folder  # the one that was changed
        self.whole = folder / "whole"
        self.damaged = folder / "damaged"
        self.whole.mkdir(parents=True)
        self.make()

    def make(self) -> None:
        """Write the files that are whole."""
        raise NotImplementedError

    def damage(self, rng: random.Random) -> None:
        """Make ``damaged`` a copy of the whole with one file changed."""
        shutil.rmtree(self.damaged, ignore_errors=True)
        shutil.copytree(self.whole, self.damaged)
        files = sorted(path for path in self.damaged.rglob("*") if path.is_file())
        self.file = rng.choice(self.targets(files))
        self.change(self.file, rng)

    def targets(self, files: list[Path]) -> list[Path]:
        return files

    def change(self, path: Path, rng: random.Random) -> None:
        path.write_bytes(mutations.of_bytes(path.read_bytes(), rng))

    def look(self) -> str:
        """Use what is damaged. A wrong number in words, or ''. Raises what the product raises."""
        raise NotImplementedError

    def keep(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.damaged, folder, dirs_exist_ok=True)
