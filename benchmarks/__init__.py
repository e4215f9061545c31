"""Figures of speed and quality: each a command that prints the figure and what it was compared with."""
