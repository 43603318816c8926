"""Encoders, the multimodal network, the frozen prefix and its cache."""
