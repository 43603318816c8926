"""Pretrained weights: read without running code that a file may hold."""

import contextlib
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from mmda_bench.errors import DataError

Loaded = TypeVar("Loaded")
REACH_S = 10


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Tensors by name of a safetensors file, of a saved state dict, or of a dict with one under ``state_dict`` (mmcls).

    A ``module.`` in front of the names, left by data parallel training, is dropped. Raises :class:`DataError` when the
    file is damaged, or when it is a pickled module: opening one may run code, so the user is told how to convert it.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(pickled_module(file)) from error
    except Exception as error:  # each format and each kind of damage raises another
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"cannot read the checkpoint {file} ({reason}); get the file again") from error
    tensors = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not (isinstance(tensors, Mapping) and all(isinstance(value, Tensor) for value in tensors.values())):
        raise DataError(f"{file} holds a {type(content).__name__}; expected a state dict: names and tensors")
    return {name.removeprefix("module."): value for name, value in tensors.items()}


def pickled_module(file: Path) -> str:
    """What to tell the owner of a file that can only be opened by running the code in it."""
    save = "torch.save(m['state_dict'] if isinstance(m, dict) else m.state_dict(), 'state_dict.pth')"
    return (
        f"{file} is a pickled module, or holds more than tensors and plain values; opening it may run code. If you "
        "trust it, write its tensors to a file of their own, where the code it was saved with is installed, and use "
        "that file instead: "
        f"python -c \"import torch; m = torch.load('{file}', map_location='cpu', weights_only=False); {save}\""
    )


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load ``tensors`` into ``module``. Raises :class:`DataError` that lists missing, unexpected and misshapen ones."""
    expected = module.state_dict()
    problems = {
        "missing": [name for name in expected if name not in tensors],
        "unexpected": [name for name in tensors if name not in expected],
        "of the wrong shape": [
            f"{name} {list(tensors[name].shape)} instead of {list(value.shape)}"
            for name, value in expected.items()
            if name in tensors and tensors[name].shape != value.shape
        ],
    }
    found = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
        for what, names in problems.items()
        if names
    ]
    if found:
        kind = type(module).__name__
        raise DataError(f"{source} does not hold the weights of {kind}: tensors {'; '.join(found)}")
    module.load_state_dict(tensors)


def fetched(name: str, location: str, load: Callable[[], Loaded]) -> Loaded:
    """``load()``, a library's own loader of what lies in ``location``: a hub name or a folder.

    What is on this machine is taken without asking the hub: otherwise every cell would ask for every file, and wait
    half a minute for each where there is no network. ``name``: the modality, as in ``--weights``. Whatever goes wrong
    is a :class:`DataError` that says what to do instead. The libraries themselves honour HF_HUB_OFFLINE.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    here = Path(location).exists()
    if not here and (location.startswith(("/", "~", ".")) or location.count("/") > 1):
        raise DataError(f"--weights {name}={location}: there is no such folder")
    try:
        if not here:
            with contextlib.suppress(Exception), offline():
                return load()
            logging.set_verbosity_error()  # it would tell every attempt to reach the hub
            if not constants.HF_HUB_OFFLINE and (fault := hub_fault()):
                raise OSError(fault)
        return load()
    except DataError:
        raise
    except pickle.UnpicklingError as error:
        raise DataError(pickled_module(Path(location) / "pytorch_model.bin")) from error
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        if here:
            kind = "" if Path(location).is_dir() else ", a file; expected a folder with config.json and the weights"
            raise DataError(f"cannot load the {name} weights in {location}{kind}: {reason}") from error
        raise DataError(
            f"cannot get the {name} weights {location}: {reason}. On a machine with a network: hf download {location} "
            f"--local-dir DIR; then, with that folder here: --weights {name}=DIR"
        ) from error


def hub_fault() -> str:
    """Why the hub cannot be reached, or "". Behind a proxy nothing is known beforehand: "" as well.

    Its own library would try for half a minute, and tell every attempt.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE forbids to ask the hub"
    address = urlsplit(constants.ENDPOINT)
    if address.scheme in getproxies():
        return ""
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=REACH_S).close()
    except OSError as error:
        return f"{address.hostname} cannot be reached ({error.strerror or error})"
    return ""


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """The hub is not asked while the body runs, as with HF_HUB_OFFLINE=1."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
