"""Segmenters: from a volume to a mask, probabilities and patch features in one pass. One backend a file."""
