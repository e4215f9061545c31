"""What the programs of SegWatch tell each other: the contract, and the statistics both sides must agree on.

`shared` imports nothing of ours and nothing heavy: the standard library, numpy, pydantic and structlog.
`shared.secure_sum` alone needs the two crypto libraries of the `federation` extra.
"""
