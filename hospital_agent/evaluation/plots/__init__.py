"""Figures of an evaluation, one a file: values in, a matplotlib figure out. Nothing here draws to a screen.

matplotlib is an extra (`segwatch[evaluation]`): a report without it has its tables and says that the figures are
missing.
"""
