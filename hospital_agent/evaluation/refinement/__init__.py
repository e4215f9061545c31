"""Does refinement on flagged cases help, and when does it hurt? Measured where the truth is known and kept from it."""
