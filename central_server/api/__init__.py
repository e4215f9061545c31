"""The REST API under /api/v1: one thin router per noun."""
