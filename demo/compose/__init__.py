"""`make compose-check`: the containers as hospitals and the centre run them, for real, on one machine.

A centre and three sites, each a compose project of its own with its own `.env`, secrets, inbox and networks, set up by
the commands that docs/operations.md and docs/federation.md give to people. Three sites and not two, because a secure
sum needs three contributors: with two, each would know the other's numbers.
"""
