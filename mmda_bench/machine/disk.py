"""Room on a disk: what is needed, what is free, and how that is said."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from mmda_bench.units import in_units


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


def free_bytes(folder: Path) -> int:
    """Bytes free where ``folder`` is, or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
