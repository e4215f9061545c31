"""The root of every error that SegWatch raises on purpose.

    MonitoringError
    ├── UnknownName          a registry was asked for a name it does not hold
    ├── EdgesMismatch        two summaries with different edges cannot be merged
    ├── SettingsError        a setting is missing or cannot be used; names the setting
    └── (each program draws its own subtree in its own errors.py)

Each error names the fact, carries the values that explain it, and reads as a sentence. No message holds a value
that describes a patient.
"""


class MonitoringError(Exception):
    """Base of all errors raised on purpose. The message is a sentence for a person."""


class UnknownName(MonitoringError, LookupError):
    """A registry holds nothing under this name; says what it was near to."""


class EdgesMismatch(MonitoringError, ValueError):
    """Two histograms were counted on different edges and must not be added."""


class SettingsError(MonitoringError, ValueError):
    """A setting is missing, is a placeholder, or contradicts another one."""
