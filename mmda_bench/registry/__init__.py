"""Names to classes and functions: methods, datasets, backbones and validators, built in or brought by a plug-in."""

from mmda_bench.errors import UsageError, suggest
from mmda_bench.registry.declare import (
    Choice,
    Entry,
    LogUniform,
    Uniform,
    register_backbone,
    register_dataset,
    register_method,
    register_validator,
)
from mmda_bench.registry.isolation import isolated
from mmda_bench.registry.plugins import Plugin, load_plugin
from mmda_bench.registry.read import read_class, read_source
from mmda_bench.registry.registry import BACKBONES, DATASETS, METHODS, VALIDATORS, Registry
from mmda_bench.registry.session import by_value, register

__all__ = [
    "BACKBONES", "DATASETS", "METHODS", "VALIDATORS", "Choice", "Entry", "LogUniform", "Plugin", "Registry", "Uniform",
    "UsageError", "by_value", "isolated", "load_plugin", "read_class", "read_source", "register",
    "register_backbone", "register_dataset", "register_method", "register_validator", "suggest",
]  # fmt: skip
