"""Loading a model of the transformers library: the right architecture, every tensor, float32, no dropout, quietly."""

import json
from typing import Any

import torch

from mmda_bench.backbone.weights import fetched
from mmda_bench.errors import DataError


def load_model(cls_name: str, model_type: str, location: str, *, name: str, **config: Any) -> Any:
    """The model in ``location``, a hub name or a folder, in eval mode. ``name``: the modality, for messages.

    ``config`` overrides the checkpoint's. Raises :class:`DataError` when the location has no such model, holds another
    architecture or lacks tensors (transformers itself would go on with random ones).
    """
    import transformers

    transformers.logging.set_verbosity_error()  # its report of unused heads is no problem of the user's
    transformers.logging.disable_progress_bar()

    def load() -> tuple[Any, Any]:
        found = transformers.AutoConfig.from_pretrained(location)
        if found.model_type != model_type:
            raise DataError(f"the {name} weights in {location} are of a {found.model_type}; expected a {model_type}")
        return getattr(transformers, cls_name).from_pretrained(
            location, dtype=torch.float32, output_loading_info=True, **config
        )

    model, report = fetched(name, location, load)
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise DataError(f"the {name} weights in {location} lack {len(lacking)} tensors, such as {lacking[0]}")
    return model.eval()


def settings_of(model: Any, *more: object) -> str:
    """The configuration that came with a checkpoint, and ``more``, as one string."""
    config = {key: value for key, value in model.config.to_dict().items() if not key.startswith("_")}
    config.pop("transformers_version", None)
    return json.dumps([config, *more], sort_keys=True, default=str)
