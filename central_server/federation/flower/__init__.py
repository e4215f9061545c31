"""Federated runs over Flower: the SuperLink of the centre, and who leads the runs that it holds.

    settings         where it listens, which certificates, which folder
    certificates     an own authority and a certificate, where the hospital has none
    control          what the centre asks of its SuperLink: start a run, register a node
    nodes            which node is which site
    run_grid         messages and answers of one run, on Flower's ServerAppIo API
    grid_exchange    questions to sites and their answers, as the conductor wants them
    conducting       one run from Flower's task to its end, in a process of its own
    superlink        the SuperLink and, beside it, whoever takes up its tasks
    submit           hands a stored run over

Its commands are beside it, in `federation.flower_commands`. Code that arrives is run nowhere:
docs/decisions/0009-flower.md. Needs the `federation` extra.
"""

from shared.federation.flower import keep_flower_quiet

keep_flower_quiet()  # before anything of Flower is imported
