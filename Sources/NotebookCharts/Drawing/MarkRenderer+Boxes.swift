/// Bars, rectangles, rules and error bars.
extension MarkRenderer {
  func room(_ scale: Scale, alongX: Bool) -> Double {
    if scale.isCategory { return scale.band }
    let distance = alongX ? distances.x : distances.y
    guard distance > 0, let from = scale.position(scale.low),
      let to = scale.position(min(scale.low + distance, scale.high))
    else { return 12 }
    return (to - from).magnitude
  }

  mutating func boxes(_ canvas: inout Canvas, _ shapes: [Shape]) {
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

  func box(_ shape: Shape, _ rooms: (x: Double, y: Double)) -> Box? {
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
  mutating func merged(_ all: [(Shape, Box)]) -> [(Shape, Box)] {
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

  mutating func rules(_ canvas: inout Canvas, _ shapes: [Shape]) {
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

  func ruleEnds(_ shape: Shape) -> (Point, Point)? {
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
}
