"""The science of SegWatch: arrays in, frozen dataclasses out. No file, socket, database, clock or setting."""
