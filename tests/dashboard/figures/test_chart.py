import pytest

from dashboard.figures.chart import Chart
from tests.dashboard_views import checked


def test_a_chart_is_the_figure_that_plotly_would_have_built() -> None:
    chart = Chart().add_scatter(x=[1], y=[2], name="a").add_bar(x=[1], y=[3]).add_hline(4, line={"width": 1})
    chart.update_xaxes(title="time", nticks=3).add_annotation(text="here", x=1, y=2)
    figure = checked(chart.done())
    assert [t.type for t in figure.data] == ["scatter", "bar"]
    assert figure.layout.xaxis.title.text == "time"
    assert figure.layout.shapes[0].y0 == figure.layout.shapes[0].y1 == 4
    assert figure.layout.annotations[0].showarrow is False


def test_the_check_used_by_these_tests_refuses_what_plotly_does_not_know() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        checked(Chart().add_scatter(nonsense=1).done())
