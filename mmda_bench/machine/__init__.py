"""This machine: devices, memory, disk."""
