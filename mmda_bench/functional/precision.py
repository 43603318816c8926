"""Full precision under autocast: half precision erases transport costs and overflows in exponentials."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def widen(value: Any) -> Any:
    """A half-precision tensor as float32; anything else as it is.

    >>> widen(torch.ones(1, dtype=torch.float16)).dtype, widen("a text")
    (torch.float32, 'a text')
    """
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` outside autocast, with its half-precision tensor arguments cast to float32.

    >>> @full_precision
    ... def total(x):
    ...     return x.sum()
    >>> total(torch.ones(2, dtype=torch.float16)).dtype
    torch.float32
    """

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next((x.device.type for x in [*args, *kwargs.values()] if isinstance(x, Tensor)), "cpu")
        # the meta device, where shapes and FLOPs are counted, knows no autocast
        outside = torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
        with outside:
            return function(*map(widen, args), **{key: widen(value) for key, value in kwargs.items()})

    return inner
