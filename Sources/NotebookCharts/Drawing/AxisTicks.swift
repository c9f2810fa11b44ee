/// Where an axis has marks, and what they say.
enum AxisTicks {
  struct Tick {
    var value: PlottedValue
    var label: String
    var hasGrid = true
    var hasTick = false
    var gridStroke: StrokeStyle?
    var color: Color?
    var labelColor: Color?
  }

  static func find(_ scale: Scale, _ spec: AxisSpec, count: Int) -> [Tick] {
    guard let lists = spec.marks else {
      let values = scale.ticks(count)
      return zip(values, scale.labels(values)).map { Tick(value: $0, label: $1) }
    }
    var result: [Tick] = []
    for marks in lists {
      let values = values(scale, marks.values, count: count)
      let labels = scale.labels(values)
      for (index, value) in values.enumerated() {
        guard let pieces = marks.pieces?(AxisValue(index: index, count: values.count, value: value)) else {
          result.append(Tick(value: value, label: labels[index]))
          continue
        }
        var tick = Tick(value: value, label: "", hasGrid: false)
        for piece in pieces {
          switch piece.kind {
          case .grid:
            tick.hasGrid = true
            tick.gridStroke = piece.stroke ?? piece.color.map { _ in StrokeStyle(lineWidth: 1) }
            tick.color = piece.color
          case .tick: tick.hasTick = true
          case .label(let text):
            tick.label = text ?? labels[index]
            tick.labelColor = piece.color
          case .format(let format):
            tick.label = format(value) ?? labels[index]
            tick.labelColor = piece.color
          }
        }
        result.append(tick)
      }
    }
    return result
  }

  private static func values(_ scale: Scale, _ values: AxisMarkValues, count: Int) -> [PlottedValue] {
    let (low, high) = (min(scale.low, scale.high), max(scale.low, scale.high))
    switch values.kind {
    case .automatic(let desired): return scale.ticks(min(desired.map { max($0, 2) } ?? count, 40))
    case .stride(let step):
      guard !scale.isCategory, step > 0 else { return scale.ticks(count) }
      return Scale.multiples(of: step, low, high).map { scale.kind == .date ? .date($0) : .number($0) }
    case .calendar(let unit, let step):
      guard scale.kind == .date else { return scale.ticks(count) }
      return unit.starts(from: low, to: high, step: step).map { .date($0) }
    case .list(let values): return values.filter(scale.contains)
    }
  }
}

/// The labels below a plot: side by side, on several lines, turned, or every second one, so that none touch.
struct XAxisLayout {
  private let scale: Scale
  private var ticks: [AxisTicks.Tick] = []
  private var form = Form.flat
  /// Of flat labels: their middle, which may be moved in from the picture's edge.
  private var places: [(index: Int, x: Double, lines: [String])] = []
  private(set) var height = 4.0

  private enum Form { case flat, turned }
  private static let size = Theme.textSize
  private static let gap = 7.0

  init(
    _ scale: Scale, _ spec: AxisSpec, isShown: Bool, left: Double, right: Double, limits: (Double, Double), most: Int,
    height limit: Double
  ) {
    self.scale = scale
    guard isShown else { return }
    if scale.isCategory, spec.marks == nil {
      ticks = AxisTicks.find(scale, spec, count: most)
      categories(limits, limit)
    } else if case .automatic? = spec.marks?.first?.values.kind ?? .some(.automatic(nil)) {
      // As many round numbers as there is room for.
      for count in Swift.stride(from: min(most, 9), through: 2, by: -1) {
        ticks = AxisTicks.find(scale, spec, count: count)
        if let found = flat(Array(ticks.indices), limits) {
          places = found
          break
        }
      }
      if places.isEmpty { thin(limits) }
    } else {
      ticks = AxisTicks.find(scale, spec, count: most)
      thin(limits)
    }
    let lines = places.map(\.lines.count).max() ?? 0
    if form == .flat { height = lines == 0 ? 6 : 9.5 + 16 * Double(lines) }
  }

  /// Every label that fits beside the one before.
  private mutating func thin(_ limits: (Double, Double)) {
    var every = 1
    while every < max(ticks.count, 2) {
      if let found = flat(ticks.indices.filter { $0 % every == 0 }, limits) {
        places = found
        return
      }
      every += 1
    }
    places = flat(ticks.isEmpty ? [] : [0], limits) ?? []
  }

  private mutating func categories(_ limits: (Double, Double), _ limit: Double) {
    if let found = flat(Array(ticks.indices), limits) { places = found; return }
    // On up to three lines, as long as words are not broken.
    let width = scale.band - 4
    let wrapped = ticks.map { TextWidth.wrapped($0.label, size: Self.size, width: width, limit: 3) }
    let isWhole = zip(wrapped, ticks).allSatisfy { lines, tick in
      lines.joined(separator: " ") == tick.label.replacing("\n", with: " ")
    }
    if isWhole, let found = flat(Array(ticks.indices), limits, wrapped) { places = found; return }
    // Numbers may be left out, names not.
    let isCounted = ticks.count > 1 && ticks.allSatisfy { Double($0.label) != nil }
    if scale.band >= 15, !isCounted {
      form = .turned
      let longest = ticks.map { TextWidth.of($0.label, size: Self.size) }.max() ?? 0
      let room = max(min(longest, limit, 120), 30)
      height = room + 10
      places = ticks.enumerated().compactMap { index, tick in
        scale.position(tick.value).map {
          (index, $0, [TextWidth.fitted(tick.label, size: Self.size, width: room)])
        }
      }
      return
    }
    thin(limits)
  }

  /// The places of labels, each within the limits; `nil` where two would touch.
  private func flat(
    _ indices: [Int], _ limits: (Double, Double), _ wrapped: [[String]]? = nil
  ) -> [(index: Int, x: Double, lines: [String])]? {
    var result: [(index: Int, x: Double, lines: [String])] = []
    var boxes: [(Double, Double)] = []
    for index in indices {
      guard scale.contains(ticks[index].value), let place = scale.position(ticks[index].value) else { continue }
      let lines = wrapped?[index] ?? [ticks[index].label]
      let half = (lines.map { TextWidth.of($0, size: Self.size) }.max() ?? 0) / 2
      guard 2 * half <= limits.1 - limits.0 else { return nil }
      let x = min(max(place, limits.0 + half), limits.1 - half)
      guard !boxes.contains(where: { x - half < $0.1 + Self.gap && $0.0 - Self.gap < x + half }) else { return nil }
      boxes.append((x - half, x + half))
      result.append((index, x, lines))
    }
    return result
  }

  func draw(_ canvas: inout Canvas, _ frame: Box) {
    for tick in ticks where !scale.isCategory && scale.contains(tick.value) {
      guard let x = scale.position(tick.value), tick.hasGrid else { continue }
      if let stroke = tick.gridStroke {
        canvas.line(
          Point(x, frame.top), Point(x, frame.bottom),
          Paint(stroke: tick.color ?? .secondary, width: stroke.lineWidth, dash: stroke.dash))
      } else {
        canvas.line(Point(x, frame.top), Point(x, frame.bottom), Theme.grid, width: 0.6)
      }
    }
    canvas.line(Point(frame.left, frame.bottom), Point(frame.right, frame.bottom), Theme.axis)
    for (index, x, lines) in places {
      let place = scale.position(ticks[index].value) ?? x
      canvas.line(Point(place, frame.bottom), Point(place, frame.bottom + 4), Theme.axis)
      let color = ticks[index].labelColor ?? .secondary
      if form == .turned {
        canvas.turned(lines[0], x: place + 4.5, y: frame.bottom + 8, size: Self.size, color: color)
        continue
      }
      for (number, line) in lines.enumerated() {
        canvas.text(
          line, x: x, y: frame.bottom + 20.5 + 16 * Double(number), size: Self.size, anchor: .middle, color: color)
      }
    }
  }
}
