// Charts for who thinks in arrays: `plot(x, y)`, `histogram(values)`, `heatmap(matrix)`. Each returns a ``Chart``, to
// which a title, scales and all else can be said.

private func number<Value: Plottable>(_ value: Value) -> Double { value.asPlotted.place ?? .nan }

/// A line through the points `(x[i], y[i])`.
///
/// Where there are more of one than of the other, the first of both are drawn, and a note says so.
public func plot<X: Plottable, Y: Plottable>(_ x: some Sequence<X>, _ y: some Sequence<Y>) -> Chart {
  paired(.line, Array(x), Array(y))
}

/// A line through the values in their order, from 0 on.
public func plot<Y: Plottable>(_ y: some Sequence<Y>) -> Chart {
  let y = Array(y)
  return paired(.line, Array(y.indices), y)
}

/// One line for each entry, named by its key, in the order of the keys; the values from 0 on.
public func plot<Y: Plottable>(_ lines: [String: [Y]]) -> Chart {
  named(lines.sorted { Numbers.precedes($0.key, $1.key) }.map { ($0.key, Array($0.value.indices), $0.value) })
}

/// One line for each entry, over the same `x`.
public func plot<X: Plottable, Y: Plottable>(_ x: some Sequence<X>, _ lines: [String: [Y]]) -> Chart {
  let x = Array(x)
  return named(lines.sorted { Numbers.precedes($0.key, $1.key) }.map { ($0.key, x, $0.value) })
}

/// The values of a function, from one end of a range to the other.
public func plot(_ range: ClosedRange<Double>, points: Int = 201, _ function: (Double) throws -> Double) rethrows
  -> Chart
{
  let count = min(max(points, 2), 100_000)
  let x = (0..<count).map { index in
    range.lowerBound + (range.upperBound - range.lowerBound) * Double(index) / Double(count - 1)
  }
  return paired(.line, x, try x.map(function))
}

/// One point for each pair `(x[i], y[i])`; with `color`, one colour for each of its values.
public func scatter<X: Plottable, Y: Plottable>(_ x: some Sequence<X>, _ y: some Sequence<Y>) -> Chart {
  paired(.point, Array(x), Array(y))
}

public func scatter<X: Plottable, Y: Plottable, C: Plottable>(
  _ x: some Sequence<X>, _ y: some Sequence<Y>, color: some Sequence<C>
) -> Chart {
  let colors = Array(color)
  var chart = paired(.point, Array(x), Array(y))
  if colors.count != chart.marks.count {
    chart = chart.noting("\(colors.count) colours for \(chart.marks.count) points: the rest have the first colour")
  }
  for (index, color) in colors.enumerated() where chart.marks.indices.contains(index) {
    chart.marks[index].change { $0.colorBy = Field(label: "", value: color.asPlotted) }
  }
  return chart
}

/// One bar for each name.
public func bars<X: Plottable, Y: Plottable>(_ names: some Sequence<X>, _ values: some Sequence<Y>) -> Chart {
  paired(.bar, Array(names), Array(values), asNames: true)
}

/// One bar for each entry, in the order of the keys.
public func bars<Y: Plottable>(_ entries: [String: Y]) -> Chart {
  let sorted = entries.sorted { Numbers.precedes($0.key, $1.key) }
  return paired(.bar, sorted.map(\.key), sorted.map(\.value), asNames: true)
}

/// One bar for each value, numbered from 0 on.
public func bars<Y: Plottable>(_ values: some Sequence<Y>) -> Chart {
  let values = Array(values)
  return paired(.bar, Array(values.indices), values, asNames: true)
}

/// How many values lie in each of about `bins` ranges of the same width, with edges at round numbers.
///
/// - Parameter bins: `nil` for a number that suits how the values are spread.
public func histogram<Value: Plottable>(_ values: some Sequence<Value>, bins: Int? = nil) -> Chart {
  let (sorted, left) = finite(values)
  guard let low = sorted.first, let high = sorted.last else { return Chart(marks: []).noting(left) }
  let edges = Numbers.edges(low, high, count: min(max(bins ?? Numbers.binCount(sorted), 1), 1000))
  var counts = [Int](repeating: 0, count: max(edges.count - 1, 1))
  var bin = 0
  for value in sorted {
    while bin < counts.count - 1, value >= edges[bin + 1] { bin += 1 }
    counts[bin] += 1
  }
  let marks = counts.indices.map { index in
    Mark(
      .bar, x: Field(label: "value", value: .number(edges[index]), end: .number(edges[index + 1])),
      y: Field(label: "count", value: .number(Double(counts[index]))))
  }
  return Chart(marks: marks).noting(left)
}

/// A matrix as cells of a colour, rows from above; with the values in the cells where they fit. A cell that is `nil`
/// stays empty, one that is not a number is grey.
public func heatmap<Value: Plottable>(
  _ matrix: some Sequence<some Sequence<Value>>, rows: [String]? = nil, columns: [String]? = nil,
  values: Bool? = nil
) -> Chart {
  let matrix = matrix.map { $0.map(\.asPlotted) }
  let width = matrix.map(\.count).max() ?? 0
  var marks: [Mark] = []
  marks.reserveCapacity(matrix.count * width)
  // A name twice would put two rows in one place.
  func names(_ given: [String]?, _ count: Int) -> [String] {
    var known: [String: Int] = [:]
    return (0..<count).map { index in
      let name = given.flatMap { $0.indices.contains(index) ? $0[index] : nil } ?? "\(index)"
      known[name, default: 0] += 1
      let times = known[name] ?? 1
      return times == 1 ? name : name + String(repeating: "\u{2009}′", count: times - 1)
    }
  }
  let rowNames = names(rows, matrix.count)
  let columnNames = names(columns, width)
  let isWritten = values ?? (width <= 10 && matrix.count <= 16)
  for (row, line) in matrix.enumerated() {
    for (column, plotted) in line.enumerated() where plotted != .missing {
      let value = plotted.place ?? .nan
      var mark = Mark(
        .rectangle, x: Field(label: "column", value: .category(columnNames[column])),
        y: Field(label: "row", value: .category(rowNames[row])))
      mark.change {
        $0.colorBy = Field(label: "value", value: .number(value))
        if isWritten {
          let text = value.isNaN ? "–" : NumberText.short((value * 1000).rounded() / 1000)
          $0.annotations = [Annotation(position: .overlay, spacing: 0, text: text, color: nil)]
        }
      }
      marks.append(mark)
    }
  }
  var chart = Chart(marks: marks)
  chart.x.label = ""
  chart.y.label = ""
  if !marks.isEmpty {
    // Rows and columns that are empty keep their places.
    chart.x.domain.values = columnNames.map { .category($0) }
    chart.y.domain.values = rowNames.map { .category($0) }
  }
  if matrix.contains(where: { $0.count != width }) {
    chart = chart.noting("rows have different lengths: cells that are missing are empty")
  }
  func counted(_ names: [String]?, _ count: Int, _ what: String) -> String? {
    guard let names, names.count != count else { return nil }
    return "\(names.count) names for \(count) \(what)"
  }
  let bad = matrix.joined().count { $0.place == nil && $0 != .missing }
  chart = chart.noting(
    bad == 0 ? nil : bad == 1 ? "1 value is not a number: grey" : "\(bad) values are not numbers: grey")
  return chart.noting(counted(rows, matrix.count, "rows")).noting(counted(columns, width, "columns"))
}

/// The share of values at or below each value.
public func ecdf<Value: Plottable>(_ values: some Sequence<Value>) -> Chart { ecdf(["": Array(values)]) }

/// The same for each entry, named by its key.
public func ecdf<Value: Plottable>(_ groups: [String: [Value]]) -> Chart {
  var chart = Chart(marks: [])
  for (name, values) in groups.sorted(by: { Numbers.precedes($0.key, $1.key) }) {
    let (sorted, left) = finite(values)
    if let left { chart = chart.noting(name.isEmpty ? left : "\(name): \(left)") }
    guard let first = sorted.first else { continue }
    var steps = [(first, 0.0)]
    for (index, value) in sorted.enumerated() where index == sorted.count - 1 || sorted[index + 1] > value {
      steps.append((value, Double(index + 1) / Double(sorted.count)))
    }
    for (value, share) in steps {
      var mark = Mark(
        .line, x: Field(label: "value", value: .number(value)), y: Field(label: "share", value: .number(share)))
      mark.change {
        $0.interpolation = .stepEnd
        if !name.isEmpty { $0.colorBy = Field(label: "group", value: .category(name)) }
      }
      chart.marks.append(mark)
    }
  }
  return chart.chartYScale(domain: 0...1)
}

// MARK: How they are made

/// The numbers among the values in their order, and a note on what is none.
func finite<Value: Plottable>(_ values: some Sequence<Value>) -> (sorted: [Double], note: String?) {
  let all = values.map { number($0) }
  let sorted = all.filter { $0.isFinite && $0.magnitude < 1e300 }.sorted()
  let left = all.count - sorted.count
  return (
    sorted, left == 0 ? nil : left == 1 ? "1 value is not finite: left out" : "\(left) values are not finite: left out"
  )
}

private func paired<X: Plottable, Y: Plottable>(_ kind: Mark.Kind, _ x: [X], _ y: [Y], asNames: Bool = false) -> Chart {
  let marks = zip(x, y).map { x, y in
    let place = x.asPlotted
    return Mark(
      kind, x: Field(label: "", value: asNames && !place.isDate ? .category(place.text) : place),
      y: Field(label: "", value: y.asPlotted))
  }
  let chart = Chart(marks: marks)
  guard x.count != y.count else { return chart }
  return chart.noting("\(x.count) values of x and \(y.count) of y: the first \(min(x.count, y.count)) are drawn")
}

private func named<X: Plottable, Y: Plottable>(_ lines: [(name: String, x: [X], y: [Y])]) -> Chart {
  var chart = Chart(marks: [])
  for line in lines {
    var part = paired(.line, line.x, line.y)
    for index in part.marks.indices {
      part.marks[index].change { $0.colorBy = Field(label: "line", value: .category(line.name)) }
    }
    chart.marks += part.marks
    for note in part.notes { chart = chart.noting("\(line.name): \(note)") }
  }
  return chart
}
