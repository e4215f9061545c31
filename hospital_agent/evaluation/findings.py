"""What the numbers of one task say, in sentences that are made from the numbers."""

from collections.abc import Mapping, Sequence

from hospital_agent.evaluation.bootstrap import Difference
from hospital_agent.evaluation.cases import VOLUME
from hospital_agent.evaluation.markdown import UNDEFINED, listed, mean, number, over_seeds, readable, signed
from hospital_agent.evaluation.method_tables import TITLES
from hospital_agent.evaluation.results import Results, mean_or
from hospital_agent.evaluation.rows import UNSHIFTED, Method
from hospital_agent.evaluation.weighted import MEASURES

MOST_NAMES = 6


def findings(
    results: Results, methods: Sequence[Method], differences: Sequence[Difference], chosen: str | None
) -> list[str]:
    """One sentence or two each, most wanted first; whatever the numbers do not define is left out."""
    trivial = {method.name for method in methods if method.trivial}
    told = [_best(results, trivial)]
    told += [_against(results, differences, chosen, measure) for measure in MEASURES if chosen]
    told += [_without_shift(results, trivial), _no_better_than_volume(results, trivial), _detectors(results, trivial)]
    return [sentence for sentence in told if sentence]


def _named(names: Sequence[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _best(results: Results, trivial: set[str]) -> str:
    ranked = [
        name
        for name in results.ranked()
        if name not in trivial and results.overall(name, "normalised_aurc") is not None
    ]
    if not ranked:
        return ""
    seeds = len(results.seeds)
    figures = [f"`{name}` ({_figure(results, name, seeds)})" for name in ranked[:3]]
    over = f"mean and SD over {seeds} seeds" if seeds > 1 else "one seed"
    return (
        f"Cases are ordered best by {', then '.join(figures)}: macro normalised AURC, {over}; 1 is the best order, 0 a "
        "random one."
    )


def _figure(results: Results, name: str, seeds: int) -> str:
    """Normalised AURC, and over how many seeds where some leave it undefined."""
    found = results.overall(name, "normalised_aurc")
    some = f", {len(found.values)} of them" if found is not None and len(found.values) < seeds else ""
    return f"{over_seeds(found)}{some}"


def _against(results: Results, differences: Sequence[Difference], chosen: str | None, measure: str) -> str:
    found = [one for one in differences if one.measure == measure and one.estimate is not None]
    if not found or chosen is None:
        return ""
    beaten = [one.other for one in found if one.beats]
    better = [one for one in found if one.beaten]
    open_ = [one for one in found if not one.beats and not one.beaten]
    figure = f"In {TITLES[measure]} ({mean(results.overall(chosen, measure))}) `{chosen}`"
    names = f" ({_named(beaten)})" if 0 < len(beaten) <= MOST_NAMES else ""
    won = f"beats {len(beaten) or 'none'} of {len(found)} others{names}"
    parts = [f"{figure} {won}"]
    if better:
        parts.append(f"loses to {listed([_by(one) for one in better])}")
    if open_:
        parts.append(f"cannot be told apart from {listed([_by(one) for one in open_])}")
    return "; it ".join(parts) + "."


def _by(one: Difference) -> str:
    interval = "no interval" if one.low is None else f"{signed(one.low)} to {signed(one.high)}"
    return f"`{one.other}` ({signed(one.estimate)}, {interval})"


def _without_shift(results: Results, trivial: set[str]) -> str:
    means = {
        name: found.mean
        for name in results.methods
        if name not in trivial and (found := results.of(name, "spearman", UNSHIFTED, "0")) is not None
    }
    if not means or not results.families:
        return ""
    best = max(means, key=lambda name: means[name])
    macro = mean(results.overall(best, "spearman"))
    return (
        f"Among unshifted cases alone the highest rank correlation with the error is that of `{best}` "
        f"({number(means[best])}; macro {macro}): what follows the shift alone shows itself here."
    )


def _no_better_than_volume(results: Results, trivial: set[str]) -> str:
    bar = results.overall(VOLUME, "normalised_aurc")
    if bar is None:
        return ""
    low = [
        name
        for name in results.ranked()
        if name not in trivial and (found := results.overall(name, "normalised_aurc")) and found.mean <= bar.mean
    ]
    if not low:
        return f"Every method orders cases better than the volume of the mask does ({number(bar.mean)})."
    return f"No better than the volume of the mask ({number(bar.mean)} normalised AURC): {_named(low)}."


def _detectors(results: Results, trivial: set[str]) -> str:
    names = [name for name in results.ranked("auc") if name not in trivial and results.overall(name, "auc") is not None]
    if not names or not results.families:
        return ""
    best = names[0]
    order, area = (mean(results.overall(best, column)) for column in ("normalised_aurc", "auc"))
    weakest = min(results.families, key=lambda family: mean_or(results.of(best, "auc", family), 2.0))
    weak = mean(results.of(best, "auc", weakest))
    seen = f"weakest on {readable(weakest)}, {weak}" if weak != UNDEFINED else ""
    return (
        f"Shifted images are told from unshifted ones best by `{best}` (macro AUC {area}; {seen}); "
        f"by the error its cases are ordered to a normalised AURC of {order}."
    )


def undefined_cases(results: Results) -> Mapping[str, int]:
    """Method -> how many test cases it had no score for, mean over seeds, where there are any."""
    counts = {name: mean_or(results.overall(name, "n"), 0.0) for name in results.methods}
    most = max(counts.values(), default=0.0)
    return {name: round(most - count) for name, count in counts.items() if count < most}
