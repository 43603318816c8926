"""The arithmetic of a cell: float32 means float32 on every device; speed comes from bfloat16 where a backbone asks.

Graphics processors may round the factors of float32 products to ten bits (TF32). PyTorch allows that in convolutions
and LSTMs unless told otherwise. A cell never uses it: its float32 products are heads, transport costs and the whole of
small backbones, where a GPU should give the numbers of a CPU; the large products of large backbones run in bfloat16.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32() -> Iterator[None]:
    """Float32 products without TF32, and algorithms that repeat; the process is as before afterwards.

    >>> with exact_float32():
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    before = torch.get_float32_matmul_precision()
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        torch.set_float32_matmul_precision("highest")
        with repeatable:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def precision_of(device: torch.device, *, autocast: torch.dtype | None) -> dict[str, Any]:
    """What a record says of the precision of a cell: the settings in force in this process, and what autocast adds.

    ``autocast``: the type of the products under autocast, None where there is none.

    >>> with exact_float32():
    ...     precision_of(torch.device("cpu"), autocast=torch.bfloat16)["autocast"]
    'bfloat16'
    """
    return {
        "device": str(device),
        "matmul": torch.get_float32_matmul_precision(),
        "tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        "autocast": None if autocast is None else str(autocast).removeprefix("torch."),
        "deterministic": torch.backends.cudnn.deterministic,
    }
