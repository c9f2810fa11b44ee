// How values are spread, by group: boxes and violins.

/// One box for each entry: from the lower to the upper quartile with the median, whiskers to the outermost values
/// within one and a half times the box, and a point for each value beyond (Tukey 1977).
public func box<Value: Plottable>(_ groups: [String: [Value]]) -> Chart {
  boxes(groups.sorted { Numbers.precedes($0.key, $1.key) }.map { ($0.key, $0.value) })
}

/// The box of one list of values.
public func box<Value: Plottable>(_ values: some Sequence<Value>) -> Chart { boxes([("", Array(values))]) }

/// One violin for each entry: how densely the values lie, with the median and the middle half.
public func violin<Value: Plottable>(_ groups: [String: [Value]]) -> Chart {
  violins(groups.sorted { Numbers.precedes($0.key, $1.key) }.map { ($0.key, $0.value) })
}

/// The violin of one list of values.
public func violin<Value: Plottable>(_ values: some Sequence<Value>) -> Chart { violins([("", Array(values))]) }

private func field(_ value: Double) -> Field { Field(label: "value", value: .number(value)) }

/// The points beyond the whiskers that are drawn of one box.
private let outlierLimit = 200

private func boxes<Value: Plottable>(_ groups: [(name: String, values: [Value])]) -> Chart {
  var chart = Chart(marks: [])
  for (name, values) in groups {
    let (sorted, left) = finite(values)
    if let left { chart = chart.noting(name.isEmpty ? left : "\(name): \(left)") }
    guard !sorted.isEmpty else { continue }
    let place = Field(label: "", value: .category(name))
    let (lower, median, upper) = (
      Numbers.quantile(sorted, 0.25), Numbers.quantile(sorted, 0.5), Numbers.quantile(sorted, 0.75)
    )
    let reach = 1.5 * (upper - lower)
    let inside = sorted.filter { $0 >= lower - reach && $0 <= upper + reach }
    let (low, high) = (inside.first ?? lower, inside.last ?? upper)
    func rule(_ from: Double, _ to: Double) -> Mark {
      var mark = Mark(.errorBar, x: place, y: field(from), yEnd: field(to))
      mark.change { $0.color = .secondary }
      return mark
    }
    var body = Mark(.bar, x: place, y: field(lower), yEnd: field(upper))
    body.change {
      $0.width = .ratio(0.5)
      $0.opacity = 0.75
    }
    chart.marks += [rule(low, lower), rule(upper, high), body]
    var middle = Mark(.rectangle, x: place, y: field(median), yEnd: field(median))
    middle.change {
      $0.width = .ratio(0.5)
      $0.height = .fixed(2)
      $0.color = .primary
    }
    chart.marks.append(middle)
    let outside = sorted.filter { $0 < low || $0 > high }
    if outside.count > outlierLimit {
      chart = chart.noting(
        (name.isEmpty ? "" : "\(name): ") + "\(outside.count) values beyond the whiskers; drawn are \(outlierLimit)")
    }
    for value in Lines.everyFew(outside, outlierLimit) {
      var mark = Mark(.point, x: place, y: field(value))
      mark.change { $0.symbolSize = 16 }
      chart.marks.append(mark)
    }
  }
  return chart
}

private func violins<Value: Plottable>(_ groups: [(name: String, values: [Value])]) -> Chart {
  var chart = Chart(marks: [])
  var greatest = 0.0
  var all: [(name: String, curve: [(at: Double, density: Double)], sorted: [Double])] = []
  for (name, values) in groups {
    let (sorted, left) = finite(values)
    if let left { chart = chart.noting(name.isEmpty ? left : "\(name): \(left)") }
    guard !sorted.isEmpty else { continue }
    let curve = Numbers.density(sorted, points: 64)
    greatest = max(greatest, curve.map(\.density).max() ?? 0)
    all.append((name, curve, sorted))
  }
  // Places are numbers, one for each group, so that the outlines can lie beside them.
  for (index, group) in all.enumerated() {
    for (at, density) in group.curve {
      let half = greatest > 0 ? 0.42 * density / greatest : 0.1
      var mark = Mark(
        .area, x: Field(label: "", value: .number(Double(index) - half)),
        xEnd: Field(label: "", value: .number(Double(index) + half)), y: field(at))
      mark.change {
        $0.series = Field(label: "group", value: .category(group.name))
        $0.opacity = 0.55
      }
      chart.marks.append(mark)
    }
    var middle = Mark(
      .rule, x: Field(label: "", value: .number(Double(index))), y: field(Numbers.quantile(group.sorted, 0.25)),
      yEnd: field(Numbers.quantile(group.sorted, 0.75)))
    middle.change {
      $0.stroke = StrokeStyle(lineWidth: 4)
      $0.color = .secondary
    }
    var median = Mark(
      .point, x: Field(label: "", value: .number(Double(index))), y: field(Numbers.quantile(group.sorted, 0.5)))
    median.change { $0.color = .primary }
    chart.marks += [middle, median]
  }
  let names = all.map(\.name)
  guard !names.isEmpty else { return chart }
  return chart.chartXScale(domain: -0.6...(Double(names.count) - 0.4)).chartXAxis {
    AxisMarks(values: Array(names.indices)) { value in AxisValueLabel(names[value.index]) }
  }
}
