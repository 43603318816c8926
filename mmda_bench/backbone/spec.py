"""The contract of a backbone, under its former name: see :mod:`mmda_bench.backbone.base`."""

from mmda_bench.backbone.base import DIMENSION, Backbone, Encoder, sample_frames

__all__ = ["DIMENSION", "Backbone", "Encoder", "sample_frames"]
