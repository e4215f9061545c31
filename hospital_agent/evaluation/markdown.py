"""Tables and numbers in Markdown."""

from collections.abc import Iterable, Sequence

from hospital_agent.evaluation.results import OverSeeds

UNDEFINED = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right, ending in a new line."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """With so many decimals; a dash where undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """With its sign."""
    return UNDEFINED if value is None else f"{value:+.{digits}f}"


def over_seeds(found: OverSeeds | None, digits: int = 3) -> str:
    """Mean, with the SD over at least three seeds, or the range over two."""
    if found is None:
        return UNDEFINED
    if found.sd is not None:
        return f"{found.mean:.{digits}f} ± {found.sd:.{digits}f}"
    if len(found.values) == 1:
        return number(found.mean, digits)
    return f"{found.mean:.{digits}f} ({min(found.values):.{digits}f} to {max(found.values):.{digits}f})"


def mean(found: OverSeeds | None, digits: int = 3) -> str:
    """Mean over seeds alone."""
    return number(None if found is None else found.mean, digits)


def readable(name: str) -> str:
    """A family's name as a person writes it."""
    return name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def bullets(lines: Sequence[str]) -> str:
    """As a list, or the word that there is nothing."""
    return "".join(f"- {line}\n" for line in lines) or "Nothing: no number is defined.\n"
