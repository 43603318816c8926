"""Room on a disk: what is needed, what is free, and how that is said."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disk:
    """Bytes that are still needed in ``folder``, at most, and bytes free there."""

    folder: Path
    needed: int
    free: int

    @property
    def enough(self) -> bool:
        return self.needed <= self.free

    def __str__(self) -> str:
        needed = f"at most {in_units(self.needed)}" if self.needed else "nothing more"
        return f"{needed} needed in {self.folder}, {'' if self.enough else 'only '}{in_units(self.free)} free"


def in_units(size: int) -> str:
    """'7.6 GB', or in the unit of a smaller size: '80.0 MB', '4.1 kB', '512 bytes'."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def free_bytes(folder: Path) -> int:
    """Bytes free where ``folder`` is, or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
