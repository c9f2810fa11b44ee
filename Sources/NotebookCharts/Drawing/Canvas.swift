import NotebookDisplay

package struct Point: Equatable {
  package var x: Double
  package var y: Double
  package init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}

/// A box of the picture; y grows downwards.
package struct Box: Equatable {
  package var left: Double
  package var top: Double
  package var right: Double
  package var bottom: Double
  var width: Double { right - left }
  var height: Double { bottom - top }
  var middle: Point { Point((left + right) / 2, (top + bottom) / 2) }
  package func meets(_ other: Box) -> Bool {
    left < other.right && other.left < right && top < other.bottom && other.top < bottom
  }
  func contains(_ other: Box) -> Bool {
    left <= other.left && top <= other.top && right >= other.right && bottom >= other.bottom
  }
}

/// How a shape is painted.
struct Paint {
  var fill: Color?
  var stroke: Color?
  var width = 1.0
  var dash: [Double] = []
  var dashPhase = 0.0
  var isRound = false
  var opacity = 1.0
}

/// Writes SVG: numbers with at most two decimals, text escaped, no script and no reference to anything outside.
struct Canvas {
  let width: Double
  let height: Double
  private var body = ""
  /// Where texts are, so that no other text is put there.
  private(set) var texts: [Box] = []

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// The shortest text of at most two decimals; 0 for what is not finite.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((min(max(value, -1e7), 1e7) * 100).rounded())
    let (whole, part) = (hundredths.magnitude / 100, hundredths.magnitude % 100)
    let sign = hundredths < 0 ? "-" : ""
    if part == 0 { return "\(sign)\(whole)" }
    let digits = part % 10 == 0 ? "\(part / 10)" : (part < 10 ? "0\(part)" : "\(part)")
    return "\(sign)\(whole).\(digits)"
  }
  private func n(_ value: Double) -> String { Self.number(value) }
  /// One decimal: enough for the points of a path.
  private func short(_ value: Double) -> String { Self.number((value * 10).rounded() / 10) }

  private func attributes(_ paint: Paint) -> String {
    var classes: [String] = []
    var text = ""
    func add(_ color: Color?, _ name: String, _ letter: String) {
      guard let color else {
        if name == "fill" { text += " fill=\"none\"" }
        return
      }
      let (value, mark) = Self.code(color)
      if let mark { classes.append("nc\(letter)\(mark)") }
      text += " \(name)=\"\(value)\""
      let alpha = color.alpha * paint.opacity
      if alpha < 0.999 { text += " \(name)-opacity=\"\(n(alpha))\"" }
    }
    add(paint.fill, "fill", "f")
    add(paint.stroke, "stroke", "s")
    if paint.stroke != nil {
      if paint.width != 1 { text += " stroke-width=\"\(n(paint.width))\"" }
      if !paint.dash.isEmpty { text += " stroke-dasharray=\"\(paint.dash.map(n).joined(separator: " "))\"" }
      if paint.dashPhase != 0 { text += " stroke-dashoffset=\"\(n(paint.dashPhase))\"" }
      if paint.isRound { text += " stroke-linecap=\"round\" stroke-linejoin=\"round\"" }
    }
    return (classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"") + text
  }

  /// The colour for light pages, and the name of its rule for dark ones.
  static func code(_ color: Color) -> (value: String, rule: String?) {
    switch color.paint {
    case .palette(let index):
      let pair = Theme.palette[index % Theme.palette.count]
      return (pair.light, pair.name)
    case .text: return (Theme.text.light, Theme.text.name)
    case .quiet: return (Theme.quiet.light, Theme.quiet.name)
    case .clear: return ("none", nil)
    case .rgb(let red, let green, let blue):
      func two(_ value: UInt8) -> String { (value < 16 ? "0" : "") + String(value, radix: 16) }
      return ("#" + two(red) + two(green) + two(blue), nil)
    }
  }

  mutating func line(_ from: Point, _ to: Point, _ paint: Paint) {
    body += "<path d=\"M\(n(from.x)) \(n(from.y))L\(n(to.x)) \(n(to.y))\"\(attributes(paint))/>\n"
  }

  /// A line or closed form of the theme's own colours.
  mutating func line(_ from: Point, _ to: Point, _ color: Theme.Pair, width: Double = 1) {
    let place = "M\(n(from.x)) \(n(from.y))L\(n(to.x)) \(n(to.y))"
    body +=
      "<path d=\"\(place)\" class=\"ncs\(color.name)\" stroke=\"\(color.light)\""
      + (width == 1 ? "" : " stroke-width=\"\(n(width))\"") + "/>\n"
  }

  mutating func path(_ commands: String, _ paint: Paint) {
    guard !commands.isEmpty else { return }
    body += "<path d=\"\(commands)\"\(attributes(paint))/>\n"
  }

  mutating func rectangle(_ box: Box, _ paint: Paint, corner: Double = 0) {
    let place = "x=\"\(n(box.left))\" y=\"\(n(box.top))\" width=\"\(n(max(box.width, 0)))\""
    body +=
      "<rect \(place) height=\"\(n(max(box.height, 0)))\""
      + (corner > 0 ? " rx=\"\(n(min(corner, box.width / 2, box.height / 2)))\"" : "") + attributes(paint) + "/>\n"
  }

  /// Straight from point to point.
  func straight(_ points: [Point]) -> String {
    var result = ""
    result.reserveCapacity(points.count * 12)
    for (index, point) in points.enumerated() {
      result += (index == 0 ? "M" : index == 1 ? "L" : " ") + short(point.x) + " " + short(point.y)
    }
    return result
  }

  /// Spots at many places as one element.
  mutating func spots(_ points: [Point], diameter: Double, _ color: Color, opacity: Double) {
    var commands = ""
    commands.reserveCapacity(points.count * 12)
    for point in points { commands += "M" + short(point.x) + " " + short(point.y) + "h0" }
    path(commands, Paint(stroke: color, width: diameter, isRound: true, opacity: opacity))
  }

  mutating func symbol(_ shape: BasicChartSymbolShape, at place: Point, radius: Double, _ color: Color, opacity: Double)
  {
    let (x, y, r) = (place.x, place.y, radius)
    let isOpen = shape == .plus || shape == .cross || shape == .asterisk
    let paint =
      isOpen
      ? Paint(stroke: color, width: max(r * 0.55, 1.2), isRound: true, opacity: opacity)
      : Paint(fill: color, opacity: opacity)
    // A thin edge in the ground's colour keeps symbols apart that lie over one another.
    let edge = isOpen ? "" : " stroke=\"\(Theme.ground.light)\" stroke-width=\"0.7\""
    func polygon(_ points: [(Double, Double)]) -> String {
      "M" + points.map { "\(n(x + $0.0 * r)) \(n(y + $0.1 * r))" }.joined(separator: "L") + "z"
    }
    let commands: String
    switch shape {
    case .circle:
      body += "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"\(n(r))\"\(attributes(paint))\(edge)/>\n"
      return
    case .square: commands = polygon([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])
    case .triangle: commands = polygon([(0, -1.2), (1.1, 0.9), (-1.1, 0.9)])
    case .diamond: commands = polygon([(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)])
    case .pentagon: commands = polygon([(0, -1.15), (1.1, -0.35), (0.68, 0.93), (-0.68, 0.93), (-1.1, -0.35)])
    case .plus: commands = "M\(n(x - r)) \(n(y))h\(n(2 * r))M\(n(x)) \(n(y - r))v\(n(2 * r))"
    case .cross:
      let d = r * 0.8
      commands =
        "M\(n(x - d)) \(n(y - d))L\(n(x + d)) \(n(y + d))M\(n(x - d)) \(n(y + d))L\(n(x + d)) \(n(y - d))"
    case .asterisk:
      commands =
        "M\(n(x)) \(n(y - r))v\(n(2 * r))M\(n(x - 0.87 * r)) \(n(y - 0.5 * r))L\(n(x + 0.87 * r)) \(n(y + 0.5 * r))"
        + "M\(n(x - 0.87 * r)) \(n(y + 0.5 * r))L\(n(x + 0.87 * r)) \(n(y - 0.5 * r))"
    }
    body += "<path d=\"\(commands)\"\(attributes(paint))\(edge)/>\n"
  }

  // MARK: Text

  enum Anchor: String { case start, middle, end }

  /// The box of a text whose baseline is at `y`.
  static func box(_ text: String, x: Double, y: Double, size: Double, anchor: Anchor, isBold: Bool = false) -> Box {
    let width = TextWidth.of(text, size: size, isBold: isBold)
    let left =
      switch anchor {
      case .start: x
      case .middle: x - width / 2
      case .end: x - width
      }
    return Box(left: left, top: y - size * 0.94, right: left + width, bottom: y + size * 0.25)
  }

  mutating func text(
    _ text: String, x: Double, y: Double, size: Double = Theme.textSize, anchor: Anchor = .start,
    color: Color = .primary, isBold: Bool = false
  ) {
    guard !text.isEmpty else { return }
    texts.append(Self.box(text, x: x, y: y, size: size, anchor: anchor, isBold: isBold))
    body +=
      "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(n(size))\""
      + (anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\"") + (isBold ? " font-weight=\"600\"" : "")
      + attributes(Paint(fill: color)) + ">\(text.markupEscaped)</text>\n"
  }

  /// A text that is read from below, its end at the top of its place: for names too long to stand side by side.
  mutating func turned(_ text: String, x: Double, y: Double, size: Double, color: Color) {
    guard !text.isEmpty else { return }
    let width = TextWidth.of(text, size: size)
    texts.append(Box(left: x - size * 0.94, top: y, right: x + size * 0.25, bottom: y + width))
    body +=
      "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(n(size))\" text-anchor=\"end\""
      + attributes(Paint(fill: color)) + " transform=\"rotate(-90 \(n(x)) \(n(y)))\">\(text.markupEscaped)</text>\n"
  }

  /// Keeps texts away from a place.
  mutating func reserve(_ box: Box) { texts.append(box) }

  /// What is drawn between the two is cut at the box. A picture within the picture needs no names, which would clash
  /// where several charts stand in one page.
  mutating func beginClip(_ box: Box) {
    let view = "\(n(box.left)) \(n(box.top)) \(n(box.width)) \(n(box.height))"
    body +=
      "<svg x=\"\(n(box.left))\" y=\"\(n(box.top))\" width=\"\(n(box.width))\" height=\"\(n(box.height))\" "
      + "viewBox=\"\(view)\" overflow=\"hidden\">\n"
  }
  mutating func endClip() { body += "</svg>\n" }

  func document(title: String, description: String) -> String {
    let ground = Theme.ground
    let border = Theme.border
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 \(n(width)) \(n(height))\" "
      + "width=\"\(n(width))\" height=\"\(n(height))\" style=\"max-width:100%;height:auto\" "
      + "font-family=\"\(Theme.font)\">\n<title>\(title.markupEscaped)</title>\n"
      + "<desc>\(description.markupEscaped)</desc>\n\(Theme.sheet)\n"
      + "<rect x=\"0.5\" y=\"0.5\" width=\"\(n(width - 1))\" height=\"\(n(height - 1))\" rx=\"6\" "
      + "class=\"ncf\(ground.name) ncs\(border.name)\" fill=\"\(ground.light)\" stroke=\"\(border.light)\"/>\n" + body
      + "</svg>"
  }
}
