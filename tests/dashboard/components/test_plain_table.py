from dashboard.components.plain_table import Row, plain_table
from tests.dashboard_views import of_kind, words


def test_every_cell_names_its_column_for_narrow_screens_and_the_first_one_its_row() -> None:
    table = plain_table("Fruit", ("Kind", "Weight"), [Row(("apple", "120 g")), Row(("pear", ["90 g", " or more"]))])
    heads = [(cell.scope, words(cell)) for cell in of_kind(table, "Th")]
    assert heads == [("col", "Kind"), ("col", "Weight"), ("row", "apple"), ("row", "pear")]
    assert [getattr(cell, "data-label") for cell in of_kind(table, "Td")] == ["Weight", "Weight"]
    assert words(of_kind(table, "Td")[1]) == "90 g  or more"
    assert getattr(table, "aria-label") == "Fruit"


def test_a_chosen_row_is_marked_for_screen_readers_too() -> None:
    table = plain_table("Fruit", ("Kind",), [Row(("apple",), is_chosen=True), Row(("pear",), is_over=True)])
    _, chosen, over = of_kind(table, "Tr")
    assert (chosen.className, getattr(chosen, "aria-current")) == ("row-chosen", "true")
    assert (over.className, hasattr(over, "aria-current")) == ("row-over", False)
