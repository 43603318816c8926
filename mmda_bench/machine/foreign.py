"""Private interfaces of other libraries, each with the versions that it was seen in. Nothing else may use one.

A private name may go with any release; when one has gone, this file is what has to be mended.
"""

import pickle
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def fused_adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    steps: Sequence[Tensor],
    *,
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    decay: float,
    skip: Tensor | None,
) -> None:
    """One step of Adam in place, by ``torch._fused_adam_``: seen in torch 2.6 to 2.14.

    All tensors of a call lie on one device and have one type, but for ``steps``: float32 scalars. ``skip``: a float32
    scalar on that device; where it is 1, nothing moves and no step is counted.
    """
    torch._foreach_add_(list(steps), 1)
    torch._fused_adam_(
        list(parameters),
        list(gradients),
        list(means),
        list(squares),
        [],
        list(steps),
        lr=rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=decay,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
        found_inf=skip,
    )
    if skip is not None:
        torch._foreach_sub_(list(steps), [skip] * len(steps))


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster there: GPUs since Ampere, processors that multiply in it.

    Of a processor it asks ``torch.cpu._is_avx512_bf16_supported`` and ``_is_amx_tile_supported``: seen in torch 2.14.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def default_device() -> Any:
    """The device that new tensors are on, None unless somebody has set one. Seen in torch 2.14."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def modes() -> tuple[Any, ...]:
    """The function and dispatch modes in force, without that of the default device. Seen in torch 2.14."""
    functions = [torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]
    dispatch = [torch._C._get_dispatch_stack_at(i) for i in range(torch._C._len_torch_dispatch_stack())]
    return tuple(mode for mode in (*functions, *dispatch) if type(mode).__name__ != "DeviceContext")


class ClassMaker(pickle.Unpickler):
    """Makes every class anew that cloudpickle wrote with its code, where it would find the one that it has made, or
    pickled, before: through its ``_make_skeleton_class`` and ``_make_skeleton_enum``, seen in cloudpickle 3.1."""

    def find_class(self, module: str, name: str) -> Any:
        """A class or function by its name; what makes classes gets another mark each time, so that it finds none."""
        found = super().find_class(module, name)
        if name not in ("_make_skeleton_class", "_make_skeleton_enum"):
            return found
        anew = uuid.uuid4().hex
        return lambda *given: found(*given[:-2], given[-2] and f"{anew}-{given[-2]}", given[-1])


@contextmanager
def no_handler_of_ray() -> Iterator[None]:
    """``ray.init`` in the body leaves the handler of SIGTERM alone, which it would replace by one that ends the process
    in the middle of whatever it does, through ``ray._private.utils.set_sigterm_handler``: seen in Ray 2.60."""
    from ray._private import utils

    theirs = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs


@contextmanager
def quiet_ray() -> Iterator[None]:
    """In the body Ray prints nothing of what its parts say of themselves: it does so whatever ``log_to_driver`` is, on
    standard output, through ``ray._private.worker.print_to_stdstream``: seen in Ray 2.60."""
    from ray._private import worker

    prints = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *data, **options: None
    try:
        yield
    finally:
        worker.print_to_stdstream = prints
