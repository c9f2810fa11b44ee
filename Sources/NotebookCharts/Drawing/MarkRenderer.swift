/// Draws the marks of one plot.
struct MarkRenderer {
  let plan: ChartPlan
  let x: Scale
  let y: Scale
  let frame: Box
  let facet: Int?
  let namesAtEnds: Bool
  private(set) var notes: [String] = []
  private(set) var ends: [ChartRenderer.EndLabel] = []
  /// Texts that had no room.
  private(set) var leftOut = 0
  private var wanted: [Wanted] = []

  private struct Wanted {
    var annotation: Annotation
    var box: Box
    var fill: Color?
    var isGrowingDown = false
    var isHorizontal = false
  }

  /// Points of all lines together, and spots of all point marks.
  private static let lineLimit = 14_000
  private static let spotLimit = 18_000
  private static let boxLimit = 5_000
  /// More symbols than these are drawn as spots without edges.
  private static let symbolLimit = 1_200

  init(plan: ChartPlan, x: Scale, y: Scale, frame: Box, facet: Int?, namesAtEnds: Bool) {
    self.plan = plan
    self.x = x
    self.y = y
    self.frame = frame
    self.facet = facet
    self.namesAtEnds = namesAtEnds
  }

  private func style(_ shape: Shape) -> MarkStyle {
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
    if shapes.contains(where: { plan.marks[$0.mark].hasStyle && plan.marks[$0.mark].style.zIndex != nil }) {
      let order = shapes.indices.sorted {
        let (a, b) = (style(shapes[$0]).zIndex ?? 0, style(shapes[$1]).zIndex ?? 0)
        return a == b ? $0 < $1 : a < b
      }
      shapes = order.map { shapes[$0] }
    }
    // A run of marks of one kind is drawn together; kinds keep the order in which they come first.
    var kinds: [(kind: Mark.Kind, z: Double, shapes: [Shape])] = []
    for shape in shapes {
      let z = style(shape).zIndex ?? 0
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

  private func series(_ shapes: [Shape]) -> [[Shape]] {
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

  private mutating func lines(_ canvas: inout Canvas, _ shapes: [Shape]) {
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
          let offset = plan.marks[shape.mark].hasStyle ? self.style(shape).offset : (0, 0)
          runs[runs.count - 1].append(Point(px + offset.0, py + offset.1))
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

  private mutating func areas(_ canvas: inout Canvas, _ shapes: [Shape]) {
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
  private func isBand(_ shape: Shape) -> Bool {
    plan.marks[shape.mark].yEnd != nil || plan.marks[shape.mark].xEnd != nil
  }

  private func edges(_ shape: Shape) -> (Point, Point)? {
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
  private func level(_ value: PlottedValue, _ scale: Scale) -> Double? {
    if scale.kind == .log, let number = value.place, number <= 0 { return scale.position(scale.base) }
    return scale.position(value)
  }

  // MARK: Points

  private mutating func points(_ canvas: inout Canvas, _ shapes: [Shape]) {
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

  private func position(_ shape: Shape) -> Point? {
    let px = shape.x0 == nil ? frame.middle.x : shape.x0.flatMap(x.position)
    let py = shape.y0 == nil ? frame.middle.y : shape.y0.flatMap(y.position)
    guard let px, let py else { return nil }
    guard plan.marks[shape.mark].hasStyle else { return Point(px, py) }
    let offset = style(shape).offset
    let shift = slotShift(shape)
    return Point(px + offset.x + shift.x, py + offset.y + shift.y)
  }

  /// Of marks side by side: how far from the middle of the place.
  private func slotShift(_ shape: Shape) -> Point {
    guard shape.slots > 1 else { return Point(0, 0) }
    let isAlongY = y.isCategory && !x.isCategory
    let band = (isAlongY ? room(y, alongX: false) : room(x, alongX: true)) * 0.8
    let shift = band * ((Double(shape.slot) + 0.5) / Double(shape.slots) - 0.5)
    return isAlongY ? Point(0, shift) : Point(shift, 0)
  }

  /// Very many points: one for each place of the picture that has any.
  private mutating func spots(_ canvas: inout Canvas, _ placed: [(Shape, Point)]) {
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

  private static func onGrid(_ points: [Point], _ grid: Double) -> [Point] {
    struct Cell: Hashable { var x: Int32, y: Int32 }
    var known: Set<Cell> = []
    return points.filter { known.insert(Cell(x: Int32($0.x / grid), y: Int32($0.y / grid))).inserted }
  }

  // MARK: Bars and rectangles

  private func room(_ scale: Scale, alongX: Bool) -> Double {
    if scale.isCategory { return scale.band }
    let distance = plan.roomOfMarks(alongX: alongX)
    guard distance > 0, let from = scale.position(scale.low), let to = scale.position(min(scale.low + distance, scale.high))
    else { return 12 }
    return (to - from).magnitude
  }

  private mutating func boxes(_ canvas: inout Canvas, _ shapes: [Shape]) {
    let rooms = (room(x, alongX: true), room(y, alongX: false))
    var all: [(Shape, Box)] = shapes.compactMap { shape in box(shape, rooms).map { (shape, $0) } }
    if all.count > Self.boxLimit { all = merged(all) }
    for (shape, box) in all {
      let style = style(shape)
      let paint = Paint(fill: shape.color, opacity: style.opacity ?? 1)
      let isSmall = min(box.width, box.height) < 6
      canvas.rectangle(box, paint, corner: style.cornerRadius ?? (shape.kind == .bar && !isSmall ? 2 : 0))
    }
    for (shape, box) in all { want(shape, box) }
  }

  private func box(_ shape: Shape, _ rooms: (x: Double, y: Double)) -> Box? {
    let style = style(shape)
    let isBar = shape.kind == .bar
    // A bin's edges, or the middle with the width that there is room for.
    func across(_ scale: Scale, _ from: PlottedValue?, _ to: PlottedValue?, _ dimension: MarkDimension?, _ room: Double)
      -> (Double, Double)?
    {
      guard let from else { return nil }
      guard let start = scale.position(from) else { return nil }
      var low = start
      var width = room
      if let to, let end = scale.position(to) {
        if from != to || scale.isCategory {
          let half = scale.isCategory ? scale.band / 2 : 0
          low = min(start, end) - half
          width = (end - start).magnitude + 2 * half
        } else {
          low -= room / 2
        }
      } else {
        low -= room / 2
      }
      let isWhole = dimension == nil || dimension == .automatic
      let gap = isBar ? (shape.slots > 1 ? 0.84 : to == nil ? 0.76 : 0.94) : (width > 8 ? (width - 1) / width : 1)
      let size = (dimension ?? .automatic).size(in: width, automatic: isWhole && to != nil && width < 3 ? 1 : gap)
      let each = size / Double(shape.slots)
      let left = low + (width - size) / 2 + each * Double(shape.slot)
      return (left, left + (shape.slots > 1 && each > 4 ? each - 1 : each))
    }
    func along(_ scale: Scale, _ from: PlottedValue?, _ to: PlottedValue?) -> (Double, Double)? {
      guard let from, let to, let a = level(from, scale), let b = level(to, scale) else { return nil }
      return (min(a, b), max(a, b))
    }
    let mark = plan.marks[shape.mark]
    let horizontal: (Double, Double)?
    let vertical: (Double, Double)?
    if isBar, mark.xEnd == nil || mark.yEnd == nil {
      if shape.isHorizontal {
        horizontal = along(x, shape.x0, shape.x1)
        vertical =
          shape.y0 == nil
          ? (frame.middle.y - 22, frame.middle.y + 22) : across(y, shape.y0, shape.y1, style.height, rooms.y)
      } else {
        horizontal =
          shape.x0 == nil
          ? (frame.middle.x - 30, frame.middle.x + 30) : across(x, shape.x0, shape.x1, style.width, rooms.x)
        vertical = along(y, shape.y0, shape.y1)
      }
    } else {
      horizontal =
        shape.x0 == nil ? (frame.left, frame.right) : across(x, shape.x0, shape.x1, style.width, rooms.x)
      vertical =
        shape.y0 == nil ? (frame.top, frame.bottom) : across(y, shape.y0, shape.y1, style.height, rooms.y)
    }
    guard let horizontal, let vertical else { return nil }
    return Box(
      left: horizontal.0 + style.offset.x, top: vertical.0 + style.offset.y, right: horizontal.1 + style.offset.x,
      bottom: vertical.1 + style.offset.y)
  }

  /// Very many boxes: those that share a place of the picture become one, in the mean of their colours; of bars, the
  /// longest.
  private mutating func merged(_ all: [(Shape, Box)]) -> [(Shape, Box)] {
    struct Cell: Hashable { var x: Int, y: Int }
    let isBar = all[0].0.kind == .bar
    let isHorizontal = all[0].0.isHorizontal
    var grid = 1.0
    var count = Int.max
    func cell(_ box: Box) -> Cell {
      let middle = box.middle
      if isBar { return isHorizontal ? Cell(x: 0, y: Int(middle.y / grid)) : Cell(x: Int(middle.x / grid), y: 0) }
      return Cell(x: Int(middle.x / grid), y: Int(middle.y / grid))
    }
    while count > Self.boxLimit {
      count = Set(all.map { cell($0.1) }).count
      if count > Self.boxLimit { grid *= 1.25 }
    }
    var order: [Cell] = []
    var groups: [Cell: [Int]] = [:]
    for (index, item) in all.enumerated() {
      let cell = cell(item.1)
      if groups[cell] == nil { order.append(cell) }
      groups[cell, default: []].append(index)
    }
    notes.append(
      "\(NumberText.fixed(Double(all.count), 0)) \(isBar ? "bars" : "cells"); drawn are "
        + "\(NumberText.fixed(Double(order.count), 0)): "
        + (isBar ? "the longest of each place" : "the mean of those at one place"))
    return order.compactMap { cell in
      guard let indices = groups[cell] else { return nil }
      if isBar {
        return indices.map { all[$0] }.max { isHorizontal ? $0.1.width < $1.1.width : $0.1.height < $1.1.height }
      }
      var shape = all[indices[0]].0
      let colors = indices.map { Theme.channels(all[$0].0.color) }
      func mean(_ channel: ((Double, Double, Double)) -> Double) -> UInt8 {
        UInt8((colors.reduce(0) { $0 + channel($1) } / Double(colors.count)).rounded())
      }
      shape.color = Color(.rgb(mean(\.0), mean(\.1), mean(\.2)))
      let box = Box(
        left: Double(cell.x) * grid, top: Double(cell.y) * grid, right: Double(cell.x + 1) * grid,
        bottom: Double(cell.y + 1) * grid)
      return (shape, box)
    }
  }

  // MARK: Rules and error bars

  private mutating func rules(_ canvas: inout Canvas, _ shapes: [Shape]) {
    let drawn = Lines.everyFew(shapes, Self.boxLimit)
    if drawn.count < shapes.count {
      notes.append(
        "\(NumberText.fixed(Double(shapes.count), 0)) rules; drawn are \(NumberText.fixed(Double(drawn.count), 0)), "
          + "evenly chosen")
    }
    for shape in drawn {
      let style = style(shape)
      let stroke = style.stroke ?? (style.strokeBy == nil ? StrokeStyle(lineWidth: 1.5) : plan.stroke(of: style))
      let paint = Paint(
        stroke: shape.color, width: max(stroke.lineWidth, 0.2), dash: stroke.dash, opacity: style.opacity ?? 1)
      guard var (from, to) = ruleEnds(shape) else { continue }
      let shift = slotShift(shape)
      let offset = Point(style.offset.x + shift.x, style.offset.y + shift.y)
      (from.x, to.x, from.y, to.y) = (from.x + offset.x, to.x + offset.x, from.y + offset.y, to.y + offset.y)
      canvas.line(from, to, paint)
      if shape.kind == .errorBar {
        let isVertical = from.x == to.x
        for end in [from, to] {
          let (dx, dy) = isVertical ? (4.5, 0.0) : (0.0, 4.5)
          canvas.line(Point(end.x - dx, end.y - dy), Point(end.x + dx, end.y + dy), paint)
        }
      }
    }
    for shape in drawn { want(shape) }
  }

  private func ruleEnds(_ shape: Shape) -> (Point, Point)? {
    let mark = plan.marks[shape.mark]
    if mark.y == nil {
      guard let place = shape.x0.flatMap(x.position) else { return nil }
      return (Point(place, frame.top), Point(place, frame.bottom))
    }
    if mark.x == nil {
      guard let place = shape.y0.flatMap(y.position) else { return nil }
      return (Point(frame.left, place), Point(frame.right, place))
    }
    if mark.yEnd != nil {
      guard let place = shape.x0.flatMap(x.position), let low = shape.y0.flatMap({ level($0, y) }),
        let high = shape.y1.flatMap({ level($0, y) })
      else { return nil }
      return (Point(place, low), Point(place, high))
    }
    guard let place = shape.y0.flatMap(y.position), let low = shape.x0.flatMap({ level($0, x) }),
      let high = shape.x1.flatMap({ level($0, x) })
    else { return nil }
    return (Point(low, place), Point(high, place))
  }

  // MARK: Texts beside marks

  private mutating func want(_ shape: Shape, _ box: Box? = nil) {
    guard plan.marks[shape.mark].hasStyle else { return }
    let style = style(shape)
    guard !style.annotations.isEmpty else { return }
    let place: Box
    if let box {
      place = box
    } else if shape.kind == .rule || shape.kind == .errorBar {
      guard let (from, to) = ruleEnds(shape) else { return }
      place = Box(
        left: min(from.x, to.x), top: min(from.y, to.y), right: max(from.x, to.x), bottom: max(from.y, to.y))
    } else if shape.kind == .area {
      guard let (_, high) = edges(shape) else { return }
      place = Box(left: high.x, top: high.y, right: high.x, bottom: high.y)
    } else {
      guard let point = position(shape) else { return }
      let radius = ((style.symbolSize ?? 50) / 3.14159).squareRoot()
      place = Box(left: point.x - radius, top: point.y - radius, right: point.x + radius, bottom: point.y + radius)
    }
    let isDown = shape.kind == .bar && !shape.isHorizontal && (shape.y1?.place ?? 0) < (shape.y0?.place ?? 0)
    let fill = shape.kind == .bar || shape.kind == .rectangle ? shape.color : nil
    for annotation in style.annotations where !annotation.text.isEmpty {
      wanted.append(
        Wanted(
          annotation: annotation, box: place, fill: fill, isGrowingDown: isDown,
          isHorizontal: shape.kind == .bar && shape.isHorizontal))
    }
  }

  /// Writes the texts that marks ask for, where there is room.
  mutating func annotate(_ canvas: inout Canvas) {
    let limits = Box(left: frame.left - 2, top: frame.top - 14, right: canvas.width - 4, bottom: frame.bottom)
    for item in wanted {
      let text = TextWidth.fitted(item.annotation.text, size: Theme.smallSize, width: frame.width)
      let size = Theme.smallSize
      let width = TextWidth.of(text, size: size)
      let candidates = Self.places(item.annotation.position, item.isGrowingDown, item.isHorizontal)
      var isPlaced = false
      for position in candidates {
        if position == .overlay {
          let small = size - 1
          for size in [size, small] {
            let width = TextWidth.of(text, size: size)
            guard width + 2 <= item.box.width, size <= item.box.height || item.fill == nil else { continue }
            let color =
              item.annotation.color ?? item.fill.map { Theme.isDark($0) ? .white : Color(.rgb(34, 34, 34)) } ?? .primary
            let middle = item.box.middle
            let box = Canvas.box(text, x: middle.x, y: middle.y + 4, size: size, anchor: .middle)
            guard !canvas.texts.contains(where: box.meets) else { continue }
            canvas.text(text, x: middle.x, y: middle.y + 4, size: size, anchor: .middle, color: color)
            isPlaced = true
            break
          }
        } else {
          var (left, baseline) = Self.corner(position, item.box, width, item.annotation.spacing, size)
          left = min(max(left, limits.left + 1), limits.right - width - 1)
          baseline = min(max(baseline, limits.top + size), limits.bottom - 3)
          let box = Canvas.box(text, x: left, y: baseline, size: size, anchor: .start)
          guard limits.contains(box), !canvas.texts.contains(where: box.meets) else { continue }
          canvas.text(text, x: left, y: baseline, size: size, color: item.annotation.color ?? .primary)
          isPlaced = true
        }
        if isPlaced { break }
      }
      if !isPlaced { leftOut += 1 }
    }
  }

  private static func places(_ position: AnnotationPosition, _ isDown: Bool, _ isHorizontal: Bool)
    -> [AnnotationPosition]
  {
    switch position {
    case .overlay: [.overlay]
    case .automatic: isHorizontal ? [.trailing, .top] : isDown ? [.bottom, .top] : [.top, .bottom, .trailing, .leading]
    case .top: [.top, .topTrailing, .topLeading, .bottom]
    case .bottom: [.bottom, .bottomTrailing, .top]
    case .leading: [.leading, .topLeading, .trailing]
    case .trailing: [.trailing, .topTrailing, .leading]
    default: [position, .top, .bottom]
    }
  }

  /// The left end and the baseline of a text at `position`.
  private static func corner(
    _ position: AnnotationPosition, _ box: Box, _ width: Double, _ spacing: Double, _ size: Double
  ) -> (Double, Double) {
    let above = box.top - spacing
    let below = box.bottom + spacing + size * 0.9
    let middle = box.middle.x - width / 2
    return switch position {
    case .bottom: (middle, below)
    case .leading: (box.left - spacing - width, box.middle.y + 4)
    case .trailing: (box.right + spacing, box.middle.y + 4)
    case .topLeading: (box.left, above)
    case .topTrailing: (box.right - width, above)
    case .bottomLeading: (box.left, below)
    case .bottomTrailing: (box.right - width, below)
    default: (middle, above)
    }
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
