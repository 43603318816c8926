"""``mmda-bench new method NAME``: the file that a new method begins as, and its test."""

import re
from pathlib import Path

from mmda_bench.errors import UsageError
from mmda_bench.registry import METHODS
from mmda_bench.registry.declare import NAME, NAME_RULE, RESERVED

METHOD_TEMPLATE = '''"""{title}: say in one sentence what the method does to bring the domains together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import Discriminator


@register_method("{name}", title="{title}", paper="You, 2026")
class {cls}(Method):
    """weight · mean BCE(D(GRL_λ(Z)), domain): the formula of your terms goes here, and where its numbers come from."""

    search_space = {{"weight": LogUniform(0.1, 10.0)}}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight
        self.discriminator = Discriminator(ctx.dims["joint"])

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        reversed_z = (grad_reverse(batch.z["joint"], warmup(progress)) for batch in (source, target))
        return {{"domain": self.weight * domain_loss(*map(self.discriminator, reversed_z))}}
'''

TEST_TEMPLATE = '''"""The contract for {name}, and a place for tests of its mathematics. Run: pytest {test}"""

from pathlib import Path

import pytest

from mmda_bench.contract import Check, check_method
from mmda_bench.registry import load_plugin

load_plugin(Path(__file__).with_name("{file}"))


@pytest.mark.parametrize("check", check_method("{name}"), ids=lambda check: check.title)
def test_keeps_the_contract(check: Check) -> None:
    assert check.passed, check.detail
'''


def new_method(name: str, folder: Path) -> list[Path]:
    """Write ``<name>.py``, a method that passes ``mmda-bench check`` as it is, and ``test_<name>.py`` into ``folder``.

    Raises :class:`UsageError` for a name that is taken or ill-formed, and instead of overwriting a file or when the
    folder cannot be written.
    """
    if not NAME.fullmatch(name) or name in RESERVED:
        raise UsageError(f"{name!r} cannot name a method; use {NAME_RULE}, and none of {', '.join(RESERVED)}")
    if name in METHODS.entries():
        raise UsageError(f"a method {name} exists already ({METHODS.entries()[name].origin}); choose another name")
    stem = re.sub("[-+]", "_", name)
    paths = [folder / f"{stem}.py", folder / f"test_{stem}.py"]
    cls = "".join(part.capitalize() for part in re.split("[-+_]", name))
    facts = {"name": name, "title": name, "cls": cls, "file": paths[0].name, "test": paths[1].name}
    try:
        for path in paths:
            if path.exists():
                raise UsageError(f"{path} exists and is never overwritten; choose another name or folder")
        folder.mkdir(parents=True, exist_ok=True)
        for path, template in zip(paths, (METHOD_TEMPLATE, TEST_TEMPLATE), strict=True):
            path.write_text(template.format(**facts), "utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot write to {folder}: {reason}; choose another folder with --out DIR") from error
    return paths
