"""The program that runs at a hospital: it segments, scores, watches for change, and sends only aggregates."""
