/// Lays a chart out and draws it as SVG.
package struct ChartRenderer {
  let plan: ChartPlan
  let size: (width: Double, height: Double)
  var canvas: Canvas
  /// What had to be done to the picture: data thinned, names left out.
  var notes: [String]
  var endLabels: [EndLabel] = []

  struct EndLabel {
    var text: String
    var color: Color
    var from: Point
  }

  static func svg(_ chart: Chart) -> (text: String, notes: [String], plan: ChartPlan) {
    let (renderer, notes) = drawn(chart)
    let document = renderer.canvas.document(
      title: chart.titleText ?? renderer.spokenTitle, description: chart.descriptionText ?? renderer.spoken)
    return (document, notes, renderer.plan)
  }

  /// Where the picture has texts.
  package static func texts(_ chart: Chart) -> [Box] { drawn(chart).renderer.canvas.texts }

  private static func drawn(_ chart: Chart) -> (renderer: ChartRenderer, notes: [String]) {
    let plan = ChartPlan(chart)
    var size = chart.size ?? Theme.size
    if chart.size == nil { size.height = naturalHeight(plan) }
    // Notes are known when all is drawn, and need room below: drawn again with the room that they take.
    var notes = plan.notes
    var renderer = ChartRenderer(plan: plan, size: size, notes: notes)
    renderer.draw()
    if renderer.notes != notes {
      notes = renderer.notes
      renderer = ChartRenderer(plan: plan, size: size, notes: notes)
      renderer.draw()
    }
    return (renderer, notes)
  }

  private init(plan: ChartPlan, size: (width: Double, height: Double), notes: [String]) {
    self.plan = plan
    self.size = size
    self.notes = notes
    room = notes
    canvas = Canvas(width: size.width, height: size.height)
  }
  /// The notes that room was made for.
  private let room: [String]

  /// Many categories down the side, or many small charts, make a chart higher.
  private static func naturalHeight(_ plan: ChartPlan) -> Double {
    if !plan.facets.isEmpty {
      let columns = columns(plan, width: Theme.size.width)
      let rows = (plan.facets.count + columns - 1) / columns
      return min(120 + Double(rows) * (columns == 1 ? 200 : 160), 4000)
    }
    guard plan.y.isCategory else { return Theme.size.height }
    return min(max(Theme.size.height, 120 + Double(plan.y.categories.count) * 19), 1200)
  }

  private static func columns(_ plan: ChartPlan, width: Double) -> Int {
    let count = plan.facets.count
    let most = max(Int(width / 165), 1)
    return min(plan.chart.facetColumns ?? (count <= 4 ? min(count, 2) : 3), max(count, 1), most)
  }

  private mutating func draw() {
    var top = heading()
    top = legend(top)
    var bottom = size.height - Theme.margin + 2
    for note in room.reversed() {
      let lines = TextWidth.wrapped(note, size: Theme.smallSize, width: size.width - 2 * Theme.margin, limit: 2)
      for line in lines.reversed() {
        canvas.text(line, x: Theme.margin, y: bottom - 3, size: Theme.smallSize, color: .secondary)
        bottom -= 16
      }
    }
    if !room.isEmpty { bottom -= 3 }
    if plan.facets.isEmpty {
      panel(Box(left: Theme.margin, top: top, right: size.width - Theme.margin, bottom: bottom), facet: nil, 0)
      return
    }
    let columns = Self.columns(plan, width: size.width)
    let rows = (plan.facets.count + columns - 1) / columns
    let width = (size.width - 2 * Theme.margin - 10 * Double(columns - 1)) / Double(columns)
    let height = (bottom - top - 6 * Double(rows - 1)) / Double(rows)
    for (index, name) in plan.facets.enumerated() {
      let left = Theme.margin + Double(index % columns) * (width + 10)
      let above = top + Double(index / columns) * (height + 6)
      let fitted = TextWidth.fitted(name, size: Theme.smallSize, width: width - 8, isBold: true)
      canvas.text(fitted, x: left + 4, y: above + 13, size: Theme.smallSize, isBold: true)
      panel(
        Box(left: left, top: above + 18, right: left + width, bottom: above + height), facet: index,
        index % columns)
    }
  }

  private mutating func heading() -> Double {
    var top = Theme.margin
    let width = size.width - 2 * Theme.margin
    if let title = plan.chart.titleText, !title.isEmpty {
      for line in TextWidth.wrapped(title, size: Theme.titleSize, width: width, limit: 3, isBold: true) {
        top += 15
        canvas.text(line, x: Theme.margin, y: top, size: Theme.titleSize, isBold: true)
        top += 5
      }
    }
    if let subtitle = plan.chart.subtitleText, !subtitle.isEmpty {
      for line in TextWidth.wrapped(subtitle, size: Theme.textSize, width: width, limit: 3) {
        top += 13
        canvas.text(line, x: Theme.margin, y: top, color: .secondary)
        top += 4
      }
    }
    return top
  }

  // MARK: A chart's plot, or one of many small ones

  private mutating func panel(_ outer: Box, facet: Int?, _ column: Int) {
    var x = plan.x
    var y = plan.y
    let (xSpec, ySpec) = (plan.chart.x, plan.chart.y)
    let isSmall = facet != nil
    let isShown = { (spec: AxisSpec) in spec.visibility != .hidden }
    var top = outer.top + 8
    let yTitle =
      isShown(ySpec) && (!isSmall || column == 0 && (facet ?? 0) == 0 || isSmall && column == 0) ? plan.yTitle : ""
    if !yTitle.isEmpty {
      canvas.text(
        TextWidth.fitted(yTitle, size: Theme.smallSize, width: outer.width), x: outer.left, y: top + 7,
        size: Theme.smallSize, color: .secondary)
      top += 18
    } else if isSmall {
      top += 18
    }
    var bottom = outer.bottom
    let xTitle = isShown(xSpec) ? plan.xTitle : ""
    if !xTitle.isEmpty { bottom -= 18 }

    // The y axis' labels decide where the plot begins; the x axis' labels then how high it is.
    let yCount = max(Int((bottom - 20 - top) / 34), 2)
    let yMarks = isShown(ySpec) ? AxisTicks.find(y, ySpec, count: min(yCount, 7)) : []
    let widest = yMarks.map { TextWidth.of($0.label, size: Theme.textSize) }.max() ?? 0
    let labelWidth = min(widest, outer.width * 0.42)
    var left = outer.left + (yMarks.isEmpty ? 2 : labelWidth + 8)
    var right = outer.right - 4
    let isRight = ySpec.marks?.first?.position == .trailing
    if isRight { (left, right) = (outer.left + 2, outer.right - labelWidth - 8) }
    let names = facet == nil && plan.namesAtEnds
    if names {
      let width = plan.colorNames.map { TextWidth.of($0, size: Theme.textSize) }.max() ?? 0
      right = min(right, outer.right - min(width + 14, outer.width * 0.36))
    }
    let lineCount = max(Int((right - left) / 46), 2)
    let padding = innerPadding()
    place(&x, left + padding.start, right - padding.end, xSpec)
    let axis = XAxisLayout(
      x, xSpec, isShown: isShown(xSpec), left: left, right: right,
      limits: (outer.left - 6, facet == nil ? size.width - 4 : outer.right + 2), most: lineCount,
      height: (bottom - top) * 0.5)
    bottom -= axis.height
    if y.isCategory {
      place(&y, top, bottom, ySpec)
    } else {
      place(&y, bottom, top, ySpec)
    }
    let frame = Box(left: left, top: top, right: max(right, left + 10), bottom: max(bottom, top + 10))
    yAxis(y, yMarks, frame, isRight: isRight, width: labelWidth)
    axis.draw(&canvas, frame)
    if !xTitle.isEmpty {
      canvas.text(
        TextWidth.fitted(xTitle, size: Theme.smallSize, width: outer.width), x: frame.middle.x, y: outer.bottom - 4,
        size: Theme.smallSize, anchor: .middle, color: .secondary)
    }
    guard !plan.isEmpty else {
      canvas.text("no data", x: frame.middle.x, y: frame.middle.y + 4, anchor: .middle, color: .secondary)
      return
    }
    var marks = MarkRenderer(plan: plan, x: x, y: y, frame: frame, facet: facet, namesAtEnds: names)
    marks.draw(&canvas)
    for note in marks.notes where !notes.contains(note) { notes.append(note) }
    if names { nameEnds(marks.ends, frame, to: outer.right) }
    marks.annotate(&canvas)
    if marks.leftOut > 0 {
      let note = marks.leftOut == 1 ? "1 text had no room" : "\(marks.leftOut) texts had no room"
      if !notes.contains(note) { notes.append(note) }
    }
  }

  /// Points and lines keep away from the plot's edges, bars have room of their own.
  private func innerPadding() -> (start: Double, end: Double) {
    let range = plan.chart.x.range
    let needs =
      !plan.x.isCategory && plan.shapes.contains { $0.kind == .point || $0.kind == .line || $0.kind == .errorBar }
    let own = needs ? 7.0 : 0
    return (max(range.start, own), max(range.end, own))
  }

  private func place(_ scale: inout Scale, _ start: Double, _ end: Double, _ spec: AxisSpec) {
    (scale.start, scale.end) = scale.isReversed ? (end, start) : (start, end)
  }

  private mutating func yAxis(_ y: Scale, _ marks: [AxisTicks.Tick], _ frame: Box, isRight: Bool, width: Double) {
    if let zero = y.isCategory ? nil : y.position(y.base), plan.chart.y.visibility != .hidden, y.low <= 0, y.high >= 0 {
      canvas.line(Point(frame.left, zero), Point(frame.right, zero), Theme.axis)
    }
    var lowest = Double.infinity
    var highest = -Double.infinity
    for mark in marks {
      guard let place = y.position(mark.value), y.contains(mark.value) else { continue }
      if mark.hasGrid, !y.isCategory, !(mark.value.place == 0 && y.base == 0) {
        if let stroke = mark.gridStroke {
          canvas.line(
            Point(frame.left, place), Point(frame.right, place),
            Paint(stroke: mark.color ?? .secondary, width: stroke.lineWidth, dash: stroke.dash))
        } else {
          canvas.line(Point(frame.left, place), Point(frame.right, place), Theme.grid)
        }
      }
      // Labels that would touch the one before are left out, from either end.
      guard !mark.label.isEmpty, place + 9 < lowest || place - 9 > highest else { continue }
      let text = TextWidth.fitted(mark.label, size: Theme.textSize, width: width + 0.5)
      canvas.text(
        text, x: isRight ? frame.right + 6 : frame.left - 6, y: place + 4.5, anchor: isRight ? .start : .end,
        color: mark.labelColor ?? .secondary)
      lowest = min(lowest, place - 9)
      highest = max(highest, place + 9)
    }
  }

  /// Names beside the lines' ends, moved apart where they would touch, joined to their lines by a thin rule.
  private mutating func nameEnds(_ ends: [EndLabel], _ frame: Box, to right: Double) {
    let sorted = ends.sorted { ($0.from.y, $0.text) < ($1.from.y, $1.text) }
    let places = Self.spread(sorted.map(\.from.y), gap: 17, from: frame.top + 2, to: frame.bottom - 2)
    for (label, place) in zip(sorted, places) {
      canvas.line(
        Point(label.from.x + 3, label.from.y), Point(frame.right + 6, place),
        Paint(stroke: label.color, width: 1.2, opacity: 0.8))
      let text = TextWidth.fitted(label.text, size: Theme.textSize, width: right - frame.right - 8)
      canvas.text(text, x: frame.right + 9, y: place + 4.5)
    }
  }

  /// Sorted places moved apart to at least `gap`, as little as needed, within a range where they fit.
  static func spread(_ places: [Double], gap: Double, from low: Double, to high: Double) -> [Double] {
    guard let first = places.first else { return [] }
    let gap = min(gap, max((high - low) / Double(max(places.count - 1, 1)), 0))
    var result = [max(first, low)]
    for place in places.dropFirst() { result.append(max(place, (result.last ?? low) + gap)) }
    var limit = high
    for index in result.indices.reversed() {
      result[index] = min(result[index], limit)
      limit = result[index] - gap
    }
    return result
  }
}
