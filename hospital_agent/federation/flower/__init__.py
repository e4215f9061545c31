"""A site as a node of Flower: fetches messages of the centre's SuperLink and answers them with what is installed here.

    superlink    the connection: one method a request, each with a deadline
    node         the loop: fetch, check, answer, send, through cut lines and restarts
    seat         the node's place there: one process has it, and the next one knows its number
    node_key     the key by which the SuperLink knows the node

Why our own loop instead of `flower-supernode`: docs/decisions/0009-flower.md. Needs the `federation` extra.
"""

from shared.federation.flower import keep_flower_quiet

keep_flower_quiet()  # before anything of Flower is imported
