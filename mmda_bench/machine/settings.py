"""The settings of this process that change what a library computes: each can be looked at and put back.

A setting of a library that is not imported is not looked at; what a fresh import leaves is then as good as untouched.
"""

import gc
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


@dataclass(frozen=True)
class Setting:
    """``look``: its value now. ``put``: brings a value back; None where nothing can. ``told``: whether a change of it
    is worth a word; drawing random numbers is not."""

    name: str
    look: Callable[[], Any]
    put: Callable[[Any], object] | None
    told: bool = True


def settings() -> list[Setting]:
    """Those of Python, and of numpy, scikit-learn and torch where they are imported."""
    found = list(_of_python())
    for name, of_library in (("numpy", _of_numpy), ("sklearn", _of_sklearn), ("torch", _of_torch)):
        if (library := sys.modules.get(name)) is not None:
            found += of_library(library)
    return found


def _of_python() -> Iterator[Setting]:
    yield Setting("the random state of Python", random.getstate, random.setstate, told=False)
    yield Setting("the environment", lambda: dict(os.environ), _put_environment)
    yield Setting("sys.path", lambda: list(sys.path), lambda v: sys.path.__setitem__(slice(None), v))
    yield Setting("sys.meta_path", lambda: list(sys.meta_path), lambda v: sys.meta_path.__setitem__(slice(None), v))
    yield Setting("the filters of warnings", lambda: list(warnings.filters), _put_filters)
    yield Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    yield Setting("the working directory", working_directory, os.chdir)
    yield Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v))
    yield Setting("garbage collection", gc.isenabled, lambda v: gc.enable() if v else gc.disable())
    yield Setting("sys.stdout and sys.stderr", lambda: (sys.stdout, sys.stderr), _put_streams)
    yield Setting("flushing of denormal numbers", _denormals_are_flushed, _put_denormals)
    if threading.current_thread() is threading.main_thread():
        yield Setting("the handlers of signals", lambda: {n: signal.getsignal(n) for n in SIGNALS}, put_handlers)


def _of_numpy(np: Any) -> Iterator[Setting]:
    yield Setting("the random state of numpy", np.random.get_state, np.random.set_state, told=False)
    yield Setting("what numpy does on errors", np.geterr, lambda v: np.seterr(**v))
    yield Setting("the error handler of numpy", np.geterrcall, np.seterrcall)


def _of_sklearn(sklearn: Any) -> Iterator[Setting]:
    yield Setting("the settings of scikit-learn", sklearn.get_config, lambda v: sklearn.set_config(**v))


def _of_torch(torch: Any) -> Iterator[Setting]:
    from mmda_bench.machine.foreign import default_device, modes  # it imports torch, which is there

    yield Setting("the random state of torch", torch.get_rng_state, torch.set_rng_state, told=False)
    yield Setting("the default dtype of torch", torch.get_default_dtype, torch.set_default_dtype)
    yield Setting("the default device of torch", default_device, torch.set_default_device)
    yield Setting("the modes that torch functions run under", modes, None)
    yield Setting("whether torch records gradients", torch.is_grad_enabled, torch.set_grad_enabled)
    yield Setting("the inference mode of torch", torch.is_inference_mode_enabled, None)
    yield Setting("the anomaly mode of torch", lambda: _anomaly(torch), lambda v: torch.autograd.set_detect_anomaly(*v))
    yield Setting(
        "the deterministic flags of torch",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda v: torch.use_deterministic_algorithms(v[0], warn_only=v[1]),
    )
    yield Setting("the precision of float32 products", torch.get_float32_matmul_precision,
                  torch.set_float32_matmul_precision)  # fmt: skip
    yield from (_autocast(torch, device) for device in ("cpu", "cuda"))
    yield from (_flag(*one) for one in _flags(torch))
    yield Setting("the threads of torch", torch.get_num_threads, torch.set_num_threads)
    yield Setting("the threads of torch between operations", torch.get_num_interop_threads, None)
    if torch.cuda.is_initialized():
        yield Setting("random states of GPUs", torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all, told=False)
        yield Setting("the chosen GPU", torch.cuda.current_device, torch.cuda.set_device)
        yield Setting("the stream of the GPU", torch.cuda.current_stream, torch.cuda.set_stream)


def _autocast(torch: Any, device: str) -> Setting:
    def put(before: tuple[bool, Any]) -> None:
        torch.set_autocast_enabled(device, before[0])
        torch.set_autocast_dtype(device, before[1])

    return Setting(
        f"autocast on {device}", lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)), put
    )


def _flags(torch: Any) -> Iterator[tuple[str, Any, str]]:
    """(name, object, attribute) of flags that are read and set as attributes."""
    backends = torch.backends
    products = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
    cudnn = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
    yield from (("torch.backends.cuda.matmul", backends.cuda.matmul, name) for name in products)
    yield from (("torch.backends.cudnn", backends.cudnn, name) for name in cudnn)
    yield from (("torch.backends.mkldnn", backends.mkldnn, name) for name in ("deterministic", "allow_tf32"))
    yield from (("torch.backends.opt_einsum", backends.opt_einsum, name) for name in ("enabled", "strategy"))


def _flag(where: str, place: Any, name: str) -> Setting:
    return Setting(f"{where}.{name}", lambda: getattr(place, name), lambda value: setattr(place, name, value))


def _anomaly(torch: Any) -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _put_environment(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def _put_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    with warnings.catch_warnings():
        pass  # makes Python forget which warnings it has decided about


def working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return "."


def _put_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


def put_handlers(before: dict[int, Any]) -> None:
    """Handlers of signals, as :func:`signal.getsignal` gave them; those set from outside Python (None) stay."""
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _denormals_are_flushed() -> bool:
    smallest = sys.float_info.min
    return smallest / 4.0 == 0.0


def _put_denormals(flushed: bool) -> None:
    import torch  # nothing else here can have changed it

    torch.set_flush_denormal(flushed)
