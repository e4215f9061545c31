"""One network for several organs: multi-task training beside its rivals, and images of organs it never saw."""

from hospital_agent.evaluation.several_organs.study import SeveralOrgans
from hospital_agent.evaluation.studies import studies

studies.register("several_organs")(SeveralOrgans())
