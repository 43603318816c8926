"""Names to classes: methods, datasets and backbones, built in or brought by a plug-in."""

from mmda_bench.errors import UsageError
from mmda_bench.registry.declare import (
    Choice,
    Entry,
    LogUniform,
    Uniform,
    register_backbone,
    register_dataset,
    register_method,
)
from mmda_bench.registry.isolation import isolated
from mmda_bench.registry.read import read_class, read_source
from mmda_bench.registry.registry import BACKBONES, DATASETS, METHODS, Registry, load_plugin, suggest

__all__ = [
    "BACKBONES", "DATASETS", "METHODS", "Choice", "Entry", "LogUniform", "Registry", "Uniform", "UsageError",
    "isolated",
    "load_plugin", "read_class", "read_source", "register_backbone", "register_dataset", "register_method", "suggest",
]  # fmt: skip
