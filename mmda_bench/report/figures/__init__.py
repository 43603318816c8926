"""Figures of a board, and which of them a store can show."""
