"""From stored cases to what may leave the hospital, and the sending of it."""
