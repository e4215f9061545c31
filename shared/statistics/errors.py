"""What can go wrong in the statistics.

MonitoringError
└── StatisticsError
    ├── UndefinedValue     a detector was fed NaN or an infinity; undefined values are counted elsewhere
    ├── BaselineTooSmall   nothing to compare with
    └── StateMismatch      a stored detector state does not belong to these values or to this version
"""

from shared.errors import MonitoringError


class StatisticsError(MonitoringError, ValueError):
    """Base of all errors of the statistics: an argument that no statistic is defined for."""


class UndefinedValue(StatisticsError):
    """A value that is not a finite number was offered where only measured values may go."""


class BaselineTooSmall(StatisticsError):
    """There are too few baseline values to compare anything with."""


class StateMismatch(StatisticsError):
    """A stored state cannot be continued: other version, other threshold, or values missing."""
