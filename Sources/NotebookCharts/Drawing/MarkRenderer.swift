/// Draws the marks of one plot.
struct MarkRenderer {
  let plan: ChartPlan
  let x: Scale
  let y: Scale
  let frame: Box
  let facet: Int?
  let namesAtEnds: Bool
  /// Of bars and rectangles on an axis of numbers: how far they are apart.
  let distances: (x: Double, y: Double)
  var notes: [String] = []
  var ends: [ChartRenderer.EndLabel] = []
  /// Texts that had no room.
  var leftOut = 0
  var wanted: [Wanted] = []

  struct Wanted {
    var annotation: Annotation
    var box: Box
    var fill: Color?
    var isGrowingDown = false
    var isHorizontal = false
  }

  /// Points of all lines together, and spots of all point marks.
  static let lineLimit = 14_000
  static let spotLimit = 18_000
  static let boxLimit = 4_000
  /// More symbols than these are drawn as spots without edges.
  static let symbolLimit = 1_200

  init(plan: ChartPlan, x: Scale, y: Scale, frame: Box, facet: Int?, namesAtEnds: Bool) {
    self.plan = plan
    self.x = x
    self.y = y
    self.frame = frame
    self.facet = facet
    self.namesAtEnds = namesAtEnds
    distances = (plan.roomOfMarks(alongX: true), plan.roomOfMarks(alongX: false))
  }

  func style(_ shape: Shape) -> MarkStyle {
    let mark = plan.marks[shape.mark]
    return mark.hasStyle ? mark.style : MarkStyle()
  }

  mutating func draw(_ canvas: inout Canvas) {
    let isCut = !plan.chart.x.domain.values.isEmpty || !plan.chart.y.domain.values.isEmpty
    let isLog = x.kind == .log || y.kind == .log
    if isCut || isLog {
      canvas.beginClip(
        Box(left: frame.left, top: frame.top - 4, right: frame.right + 4, bottom: frame.bottom + (isLog ? 0 : 0.5)))
    }
    var shapes = plan.shapes.filter { facet == nil || $0.facet == -1 || $0.facet == facet }
    if shapes.contains(where: { plan.marks[$0.mark].zIndex != nil }) {
      let order = shapes.indices.sorted {
        let (a, b) = (plan.marks[shapes[$0].mark].zIndex ?? 0, plan.marks[shapes[$1].mark].zIndex ?? 0)
        return a == b ? $0 < $1 : a < b
      }
      shapes = order.map { shapes[$0] }
    }
    // A run of marks of one kind is drawn together; kinds keep the order in which they come first.
    var kinds: [(kind: Mark.Kind, z: Double, shapes: [Shape])] = []
    for shape in shapes {
      let z = plan.marks[shape.mark].zIndex ?? 0
      if let place = kinds.firstIndex(where: { $0.kind == shape.kind && $0.z == z }) {
        kinds[place].shapes.append(shape)
      } else {
        kinds.append((shape.kind, z, [shape]))
      }
    }
    for (kind, _, shapes) in kinds {
      switch kind {
      case .line: lines(&canvas, shapes)
      case .area: areas(&canvas, shapes)
      case .point: points(&canvas, shapes)
      case .bar, .rectangle: boxes(&canvas, shapes)
      case .rule, .errorBar: rules(&canvas, shapes)
      }
    }
    if isCut || isLog { canvas.endClip() }
  }

  // MARK: Lines and areas

  func series(_ shapes: [Shape]) -> [[Shape]] {
    var result: [[Shape]] = []
    var places: [Int: Int] = [:]
    for shape in shapes {
      if let place = places[shape.series] {
        result[place].append(shape)
      } else {
        places[shape.series] = result.count
        result.append([shape])
      }
    }
    return result
  }

  mutating func lines(_ canvas: inout Canvas, _ shapes: [Shape]) {
    let all = series(shapes)
    let columns = max(Self.lineLimit / 4 / max(all.count, 1), 8)
    let width = Int(frame.width)
    var (before, after) = (0, 0)
    for shapes in all {
      guard let first = shapes.first else { continue }
      let style = style(first)
      let stroke = plan.stroke(of: style)
      let hasSymbols = style.symbol != nil || style.symbolBy != nil
      var runs: [[Point]] = [[]]
      for shape in shapes {
        if let px = shape.x0.flatMap(x.position), let py = shape.y0.flatMap(y.position) {
          let offset = plan.marks[shape.mark].offset
          runs[runs.count - 1].append(Point(px + offset.x, py + offset.y))
        } else if runs.last?.isEmpty == false {
          runs.append([])
        }
      }
      let count = shapes.count
      for run in runs where !run.isEmpty {
        let share = Double(run.count) / Double(max(count, 1))
        let points = Lines.thinned(run, columns: max(Int(Double(min(columns, width)) * share), 1))
        if points.count < run.count {
          before += run.count
          after += points.count
        }
        let paint = Paint(
          stroke: first.color, width: max(stroke.lineWidth, 0.2), dash: stroke.dash, dashPhase: stroke.dashPhase,
          isRound: stroke.dash.isEmpty, opacity: style.opacity ?? 1)
        canvas.path(Lines.path(points, style.interpolation ?? .linear, canvas), paint)
        if run.count == 1 || hasSymbols && run.count <= Self.symbolLimit {
          let shape = plan.symbol(of: style)
          let radius = (max(style.symbolSize ?? 50, 1) / 3.14159).squareRoot()
          for point in run {
            canvas.symbol(shape, at: point, radius: radius, first.color, opacity: style.opacity ?? 1)
          }
        }
      }
      if namesAtEnds, let name = style.colorBy?.value.text, let last = runs.last(where: { !$0.isEmpty })?.last,
        !ends.contains(where: { $0.text == name })
      {
        ends.append(ChartRenderer.EndLabel(text: name, color: first.color, from: last))
      }
      for shape in shapes { want(shape) }
    }
    if before > after {
      notes.append(
        "\(NumberText.fixed(Double(before), 0)) values; drawn are \(NumberText.fixed(Double(after), 0)): "
          + "first, lowest, highest and last of each column")
    }
  }

  mutating func areas(_ canvas: inout Canvas, _ shapes: [Shape]) {
    let all = series(shapes)
    let columns = max(Self.lineLimit / 8 / max(all.count, 1), 8)
    for shapes in all {
      guard let first = shapes.first else { continue }
      let style = style(first)
      var runs: [[(low: Point, high: Point)]] = [[]]
      for shape in shapes {
        if let (low, high) = edges(shape) {
          runs[runs.count - 1].append((low, high))
        } else if runs.last?.isEmpty == false {
          runs.append([])
        }
      }
      let method = style.interpolation ?? .linear
      for run in runs where run.count > 1 {
        let lower = Lines.thinned(run.map(\.low), columns: columns)
        let upper = Lines.thinned(run.map(\.high), columns: columns)
        let there = Lines.path(upper, method, canvas)
        let back = Lines.path(lower.reversed(), method.reversed, canvas)
        let paint = Paint(fill: first.color, opacity: style.opacity ?? (isBand(first) ? 0.22 : 0.75))
        canvas.path(there + "L" + back.dropFirst() + "z", paint)
      }
      for shape in shapes { want(shape) }
    }
  }

  /// An area between two lines, which other marks are to be seen through.
  func isBand(_ shape: Shape) -> Bool {
    plan.marks[shape.mark].yEnd != nil || plan.marks[shape.mark].xEnd != nil
  }

  func edges(_ shape: Shape) -> (Point, Point)? {
    if shape.isHorizontal {
      guard let place = shape.y0.flatMap(y.position), let low = shape.x0.flatMap(x.position),
        let high = shape.x1.flatMap(x.position)
      else { return nil }
      return (Point(low, place), Point(high, place))
    }
    guard let place = shape.x0.flatMap(x.position), let low = shape.y0.flatMap({ level($0, y) }),
      let high = shape.y1.flatMap({ level($0, y) })
    else { return nil }
    return (Point(place, low), Point(place, high))
  }

  /// On a logarithmic axis, zero and below are at the axis' end.
  func level(_ value: PlottedValue, _ scale: Scale) -> Double? {
    if scale.kind == .log, let number = value.place, number <= 0 { return scale.position(scale.base) }
    return scale.position(value)
  }

  // MARK: Points

  mutating func points(_ canvas: inout Canvas, _ shapes: [Shape]) {
    var sizes = Extent()
    for shape in shapes where plan.marks[shape.mark].hasStyle {
      if let size = style(shape).symbolSizeBy?.value.place { sizes.add(size) }
    }
    let placed = shapes.compactMap { shape in position(shape).map { (shape, $0) } }
    if placed.count > Self.symbolLimit {
      spots(&canvas, placed)
    } else {
      for (shape, place) in placed {
        let style = style(shape)
        var area = style.symbolSize ?? 50
        if let size = style.symbolSizeBy?.value.place, let ends = sizes.ends {
          area = 20 + 380 * (ends.high > ends.low ? (size - ends.low) / (ends.high - ends.low) : 0.5)
        }
        let radius = (min(max(area.isFinite ? area : 50, 1), 40_000) / 3.14159).squareRoot()
        canvas.symbol(
          plan.symbol(of: style), at: place, radius: radius, shape.color, opacity: style.opacity ?? 0.85)
      }
    }
    for shape in shapes { want(shape) }
  }

  func position(_ shape: Shape) -> Point? {
    let px = shape.x0 == nil ? frame.middle.x : shape.x0.flatMap(x.position)
    let py = shape.y0 == nil ? frame.middle.y : shape.y0.flatMap(y.position)
    guard let px, let py else { return nil }
    guard plan.marks[shape.mark].hasStyle else { return Point(px, py) }
    let offset = plan.marks[shape.mark].offset
    let shift = slotShift(shape)
    return Point(px + offset.x + shift.x, py + offset.y + shift.y)
  }

  /// Of marks side by side: how far from the middle of the place.
  func slotShift(_ shape: Shape) -> Point {
    guard shape.slots > 1 else { return Point(0, 0) }
    let isAlongY = y.isCategory && !x.isCategory
    let band = (isAlongY ? room(y, alongX: false) : room(x, alongX: true)) * 0.8
    let shift = band * ((Double(shape.slot) + 0.5) / Double(shape.slots) - 0.5)
    return isAlongY ? Point(0, shift) : Point(shift, 0)
  }

  /// Very many points: one for each place of the picture that has any.
  mutating func spots(_ canvas: inout Canvas, _ placed: [(Shape, Point)]) {
    struct Look: Hashable {
      var color: Color
      var opacity: Double
      var size: Double
    }
    var groups: [Look: [Point]] = [:]
    var order: [Look] = []
    for (shape, point) in placed {
      let style = style(shape)
      let look = Look(color: shape.color, opacity: style.opacity ?? 0.6, size: style.symbolSize ?? 18)
      if groups[look] == nil { order.append(look) }
      groups[look, default: []].append(point)
    }
    var grid = 0.5
    var drawn: [Look: [Point]] = [:]
    var count = placed.count
    if placed.count > 4_000 {
      while grid < 64 {
        drawn = groups.mapValues { Self.onGrid($0, grid) }
        count = drawn.values.reduce(0) { $0 + $1.count }
        if count <= Self.spotLimit { break }
        grid *= count > 4 * Self.spotLimit ? 2 : 1.3
      }
    } else {
      drawn = groups
    }
    for look in order {
      let diameter = 2 * (max(look.size, 1) / 3.14159).squareRoot()
      canvas.spots(drawn[look] ?? [], diameter: diameter, look.color, opacity: look.opacity)
    }
    if count < placed.count {
      notes.append(
        "\(NumberText.fixed(Double(placed.count), 0)) points; drawn are \(NumberText.fixed(Double(count), 0)): "
          + "one for each place of the picture")
    }
  }

  static func onGrid(_ points: [Point], _ grid: Double) -> [Point] {
    struct Cell: Hashable { var x: Int32, y: Int32 }
    var known: Set<Cell> = []
    return points.filter { known.insert(Cell(x: Int32($0.x / grid), y: Int32($0.y / grid))).inserted }
  }
}

extension InterpolationMethod {
  /// The same line drawn from its end.
  var reversed: InterpolationMethod {
    switch kind {
    case .stepStart: .stepEnd
    case .stepEnd: .stepStart
    default: self
    }
  }
}
