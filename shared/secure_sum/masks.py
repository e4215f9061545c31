"""Masks: pseudo-random vectors over the ring that two sites can make from one key.

The stream is AES-256 in counter mode over zeros from counter 0, read as little-endian 64-bit numbers. Every key is used
for one stream of one session, so the counter may always begin at 0.
"""

from typing import Literal

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared.secure_sum.encoding import ENTRY_BYTES, RingVector

_CHUNK = 1 << 17  # entries; 1 MiB stays in the cache
_BLOCK = 16
_ZEROS = bytes(_CHUNK * ENTRY_BYTES)


def add_mask(vector: RingVector, key: bytes, sign: Literal[1, -1]) -> None:
    """Add (+1) or subtract (-1) the mask of a 32-byte key in place, modulo 2^64."""
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(_BLOCK))).encryptor()
    buffer = bytearray(len(_ZEROS) + _BLOCK)  # the library wants a block to spare
    for start in range(0, len(vector), _CHUNK):
        piece = vector[start : start + _CHUNK]
        written = stream.update_into(memoryview(_ZEROS)[: piece.nbytes], buffer)
        mask = np.frombuffer(buffer, dtype="<u8", count=written // ENTRY_BYTES)
        (np.add if sign > 0 else np.subtract)(piece, mask, out=piece)
