"""Charts from cells: every session has them, they give way to the user's own names, and they live while a loop runs."""

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "plot([1, 2, 3])",
        'Chart(0..<3) { BarMark(x: .value("n", $0), y: .value("v", $0 * $0)) }.title("Squares")',
        "Chart { for i in 0..<4 { if i % 2 == 0 { PointMark(x: .value(\"i\", i), y: .value(\"j\", i)) } } }",
        'heatmap([[1, 2], [3, nil]])',
        'histogram([1, 2, 2, 3].map { Float($0) })',
        'Chart([("a", 1), ("b", 2)], id: \\.0) { name, value in BarMark(x: .value("k", name), y: .value("v", value)) }',
        'Chart(["b": 2, "a": 1]) { entry in BarMark(x: .value("k", entry.key), y: .value("v", entry.value)) }',
        'enum City: String, Plottable { case oslo, cairo }\nbars([City.oslo, .cairo], [1, 2])',
    ],
)
def test_a_chart_shows_itself_as_a_picture_and_in_characters(kernel, code):
    data = kernel.run(code).of("execute_result")[0]["data"]
    assert data["image/svg+xml"].startswith("<svg") and "<script" not in data["image/svg+xml"]
    assert "│" in data["text/plain"] or "█" in data["text/plain"]


def test_names_of_the_user_win(kernel):
    declared = """
    struct Chart { let mine = 1 }
    struct Text { let words = 2 }
    enum Color { case red }
    func plot(_ values: [Int]) -> Int { values.count }
    func heatmap(_ values: [Int]) -> String { "mine" }
    let bars = 5
    """
    kernel.run(declared)
    result = kernel.run('(Chart().mine, Text().words, "\\(Color.red)", plot([1, 2]), heatmap([]), bars)').result
    assert result == '(1, 2, "red", 2, "mine", 5)'
    # The library's are still there by their whole name.
    assert kernel.run("NotebookCharts.Chart { }.svg.hasPrefix(\"<svg\")").result == "true"


def test_names_of_foundation_and_of_the_engine_stay(kernel):
    code = """
    import Foundation
    let when = Date(timeIntervalSince1970: 0), mask = Data([1]), spot = CGPoint(x: 1, y: 2)
    let engineTask = ClassificationTask.sentiment
    (when.timeIntervalSince1970, mask.count, spot.x, max(1, 2), 0.5.rounded(), Table(["a"], [["b"]]).rows.count)
    """
    assert kernel.run(code).result == "(0.0, 1, 1.0, 2, 1.0, 1)" or "0.0, 1, 1.0, 2" in kernel.run(code).result


def test_a_live_chart_changes_in_one_place_and_can_be_interrupted(kernel):
    code = """
    import Foundation
    let live = LiveChart(id: "live-chart")
    var values: [Double] = []
    while true {
      values.append(Double(values.count))
      live.update(plot(values))
      if values.count == 400 { print("many") }
      usleep(1000)
    }
    """
    identifier = kernel.submit(code)
    kernel.wait_for_output(identifier, "many")
    kernel.interrupt()
    assert kernel.reply(identifier)["content"]["status"] == "error"
    # The session goes on, and so does the chart.
    outcome = kernel.run('live.finish(plot(values))')
    [update] = outcome.of("update_display_data")
    assert update["transient"]["display_id"] == "live-chart"


def test_what_cannot_be_written_is_an_error_that_says_why(kernel):
    kernel.execute('do { try plot([1, 2]).write(to: "/nowhere/f.svg") } catch { print(error) }')
    outcome = kernel.run('do { try plot([1, 2]).write(to: "f.gif") } catch { print(error) }')
    assert outcome.stream() == (
        "the ending of f.gif names no form that a chart can be written in: use .svg, .png or .pdf\n"
    )
