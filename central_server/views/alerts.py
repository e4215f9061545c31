"""An alert as people and programs see it."""

from central_server.database.tables import AlertRow, TransitionRow
from shared.read_models import AlertView, Evidence, TransitionView


def alert_view(row: AlertRow) -> AlertView:
    """The alert with its evidence and its history."""
    return AlertView.model_validate(
        {
            "alert_id": row.alert_id,
            "site": row.site.name,
            "rule": row.rule,
            "severity": row.severity,
            "title": row.title,
            "metric": row.metric,
            "stratum": row.stratum,
            "state": row.state,
            "opened_at": row.opened_at,
            "updated_at": row.updated_at,
            "owner": row.owner,
            "evidence": Evidence.model_validate(row.evidence),
            "next_step": row.next_step,
            "transitions": tuple(_transition(change) for change in row.transitions),
        }
    )


def _transition(row: TransitionRow) -> TransitionView:
    return TransitionView.model_validate(
        {
            "at": row.at,
            "actor": row.actor,
            "from_state": row.from_state,
            "to_state": row.to_state,
            "comment": row.comment,
        }
    )
