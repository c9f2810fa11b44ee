/// Lines with interval bands over one axis, each named at its right end.
package struct LinePlot {
  struct Series {
    let name: String
    let stroke: PlotStyle.Stroke
    /// One per place on the x axis; a NaN breaks the line.
    let values: [Double]
    /// Lower and upper ends of the band; empty for none.
    var band: [(lower: Double, upper: Double)] = []
  }

  let title: String
  let subtitle: String
  let xTitle: String
  let yTitle: String
  /// Labels of the places on the x axis.
  let xLabels: [String]
  let series: [Series]
  let description: String

  private static let size = (width: 720.0, height: 400.0)
  private static let plot = (left: 62.0, top: 62.0, bottom: 346.0)

  var svg: String {
    var canvas = SVGCanvas(
      width: Self.size.width, height: Self.size.height, title: title, description: description)
    let labelWidth =
      Double(series.map(\.name.count).max() ?? 0) * PlotStyle.textSize * PlotStyle.characterWidth + 44
    let right = Self.size.width - min(labelWidth, 250)
    let range = yRange()
    func x(_ place: Int) -> Double {
      Self.plot.left + 8 + (right - Self.plot.left - 16) * Double(place) / Double(max(xLabels.count - 1, 1))
    }
    func y(_ value: Double) -> Double {
      Self.plot.bottom - (value - range.low) / (range.high - range.low) * (Self.plot.bottom - Self.plot.top)
    }
    canvas.heading(title, subtitle)
    axes(&canvas, right: right, range: range, x: x, y: y)
    for line in series { bands(&canvas, line, x: x, y: y) }
    for line in series.reversed() {
      for run in Self.runs(line.values) {
        if run.count == 1 {
          canvas.marker(
            .circle, x: x(run.lowerBound), y: y(line.values[run.lowerBound]), radius: 3, color: line.stroke.color)
        }
        canvas.polyline(run.map { (x($0), y(line.values[$0])) }, line.stroke)
      }
    }
    endLabels(&canvas, right: right, x: x, y: y)
    return canvas.document
  }

  /// 0…1 at least, with room for what is below.
  private func yRange() -> (low: Double, high: Double, step: Double) {
    let all = series.flatMap { $0.values + $0.band.flatMap { [$0.lower, $0.upper] } }.filter(\.isFinite)
    let low = min(all.min() ?? 0, 0)
    let high = max(all.max() ?? 1, 1)
    // At most nine lines, for what has no bound too.
    let steps = [0.5, 1, 2, 5, 10, 20, 50, 100]
    let step = high - low <= 1.3 ? 0.25 : steps.first { (high - low) / $0 <= 8 } ?? (high - low) / 8
    return ((low / step + 1e-9).rounded(.down) * step, (high / step - 1e-9).rounded(.up) * step, step)
  }

  private func axes(
    _ canvas: inout SVGCanvas, right: Double, range: (low: Double, high: Double, step: Double), x: (Int) -> Double,
    y: (Double) -> Double
  ) {
    var value = range.low
    while value <= range.high + 1e-9 {
      let isZero = abs(value) < 1e-9
      canvas.line(
        Self.plot.left, y(value), right, y(value),
        PlotStyle.Stroke(isZero ? PlotStyle.axis : PlotStyle.grid, width: 1))
      canvas.text(
        ReportNumber.fixed(value, 2), x: Self.plot.left - 8, y: y(value) + 4, anchor: .end, color: PlotStyle.quietText)
      value += range.step
    }
    // As many labels as fit side by side, always the first and the last.
    let widest = Double(xLabels.map(\.count).max() ?? 1) * PlotStyle.textSize * PlotStyle.characterWidth + 12
    let fitting = max(Int((right - Self.plot.left) / widest), 2)
    let every = max((xLabels.count + fitting - 1) / fitting, 1)
    for place in xLabels.indices {
      let isLast = place == xLabels.count - 1
      guard isLast || (place % every == 0 && (xLabels.count - 1 - place) >= every) || place == 0 else { continue }
      canvas.line(
        x(place), Self.plot.bottom, x(place), Self.plot.bottom + 4, PlotStyle.Stroke(PlotStyle.axis, width: 1))
      canvas.text(
        xLabels[place], x: x(place), y: Self.plot.bottom + 18, anchor: .middle, color: PlotStyle.quietText)
    }
    canvas.text(xTitle, x: (Self.plot.left + right) / 2, y: Self.plot.bottom + 38, anchor: .middle)
    canvas.text(yTitle, x: 18, y: (Self.plot.top + Self.plot.bottom) / 2, anchor: .middle, turned: true)
  }

  private func bands(_ canvas: inout SVGCanvas, _ line: Series, x: (Int) -> Double, y: (Double) -> Double) {
    guard line.band.count == line.values.count else { return }
    for run in Self.runs(zip(line.band, line.values).map { $0.lower + $0.upper + $1 }) where run.count > 1 {
      canvas.polygon(
        run.map { (x($0), y(line.band[$0].upper)) } + run.reversed().map { (x($0), y(line.band[$0].lower)) },
        fill: line.stroke.color, opacity: 0.16)
    }
  }

  /// Names beside the lines' ends, moved apart where they would touch and joined to their lines by a thin rule.
  private func endLabels(_ canvas: inout SVGCanvas, right: Double, x: (Int) -> Double, y: (Double) -> Double) {
    var labels: [(line: Series, from: (x: Double, y: Double), y: Double)] = []
    for line in series {
      guard let place = line.values.lastIndex(where: \.isFinite) else { continue }
      let end = (x: x(place), y: y(line.values[place]))
      labels.append((line, end, end.y))
    }
    labels.sort { $0.from.y < $1.from.y }
    let places = Self.spread(
      labels.map(\.y), gap: PlotStyle.lineHeight, from: Self.plot.top, to: Self.plot.bottom)
    for (label, place) in zip(labels, places) {
      canvas.line(
        label.from.x, label.from.y, right + 12, place, PlotStyle.Stroke(PlotStyle.border, width: 1))
      canvas.line(right + 12, place, right + 32, place, label.line.stroke)
      canvas.text(label.line.name, x: right + 37, y: place + 4)
    }
  }

  /// Ascending places at least `gap` apart, near the wanted ones, within bounds where they fit.
  package static func spread(_ wanted: [Double], gap: Double, from low: Double, to high: Double) -> [Double] {
    var places = wanted
    for i in places.indices { places[i] = max(places[i], i == 0 ? low : places[i - 1] + gap) }
    if let last = places.last, last > high {
      var limit = high
      for i in places.indices.reversed() {
        places[i] = min(places[i], limit)
        limit = places[i] - gap
      }
    }
    return places
  }

  /// Longest stretches of finite values.
  package static func runs(_ values: [Double]) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var start: Int?
    for (index, value) in (values + [.nan]).enumerated() {
      if value.isFinite {
        start = start ?? index
      } else if let begun = start {
        runs.append(begun..<index)
        start = nil
      }
    }
    return runs
  }
}
