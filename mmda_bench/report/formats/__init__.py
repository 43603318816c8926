"""Boards as Markdown, LaTeX, CSV, JSON and one HTML page."""
