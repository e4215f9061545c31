"""Trainers: the loop they share, and what each makes of it. Only training needs this; the agent's loop does not."""
