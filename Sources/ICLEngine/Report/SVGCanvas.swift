import NotebookDisplay

/// Writes SVG elements: numbers with at most two decimals, text escaped, no scripts, no outside references.
package struct SVGCanvas {
  let width: Double
  let height: Double
  private let title: String
  private let description: String
  private var body = ""

  /// - Parameters: `title`, `description`: what is read aloud in place of the picture
  init(width: Double, height: Double, title: String, description: String) {
    self.width = width
    self.height = height
    self.title = title
    self.description = description
  }

  /// Shortest text of at most two decimals; 0 for what is not finite.
  package static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((value * 100).rounded())
    let (whole, part) = (hundredths.magnitude / 100, hundredths.magnitude % 100)
    let sign = hundredths < 0 ? "-" : ""
    if part == 0 { return "\(sign)\(whole)" }
    let digits = part % 10 == 0 ? "\(part / 10)" : (part < 10 ? "0\(part)" : "\(part)")
    return "\(sign)\(whole).\(digits)"
  }

  private func n(_ value: Double) -> String { Self.number(value) }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ stroke: PlotStyle.Stroke) {
    body += "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\"\(attributes(stroke))/>\n"
  }

  mutating func polyline(_ points: [(x: Double, y: Double)], _ stroke: PlotStyle.Stroke) {
    guard points.count > 1 else { return }
    body += "<polyline points=\"\(list(points))\" fill=\"none\" stroke-linejoin=\"round\"\(attributes(stroke))/>\n"
  }

  mutating func polygon(_ points: [(x: Double, y: Double)], fill: String, opacity: Double) {
    guard points.count > 2 else { return }
    body += "<polygon points=\"\(list(points))\" fill=\"\(fill)\" fill-opacity=\"\(n(opacity))\"/>\n"
  }

  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, fill: String, stroke: String? = nil, corner: Double = 0
  ) {
    body += "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" fill=\"\(fill)\""
    if corner > 0 { body += " rx=\"\(n(corner))\"" }
    if let stroke { body += " stroke=\"\(stroke)\"" }
    body += "/>\n"
  }

  /// Squares of one colour as one element.
  mutating func squares(at corners: [(x: Double, y: Double)], side: Double, fill: String) {
    let outline = corners.map { "M\(n($0.x)) \(n($0.y))h\(n(side))v\(n(side))h\(n(-side))z" }
    body += "<path fill=\"\(fill)\" d=\"\(outline.joined())\"/>\n"
  }

  enum Marker { case circle, square, triangle, diamond }

  mutating func marker(_ shape: Marker, x: Double, y: Double, radius r: Double, color: String) {
    let fill = " fill=\"\(color)\" fill-opacity=\"0.7\" stroke=\"\(PlotStyle.ground)\" stroke-width=\"0.7\"/>\n"
    switch shape {
    case .circle: body += "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"\(n(r))\"" + fill
    case .square:
      body += "<rect x=\"\(n(x - r))\" y=\"\(n(y - r))\" width=\"\(n(2 * r))\" height=\"\(n(2 * r))\"" + fill
    case .triangle:
      body += "<polygon points=\"\(list([(x, y - 1.2 * r), (x + 1.1 * r, y + r), (x - 1.1 * r, y + r)]))\"" + fill
    case .diamond:
      body +=
        "<polygon points=\"\(list([(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)]))\"" + fill
    }
  }

  enum Anchor: String { case start, middle, end }

  mutating func text(
    _ text: String, x: Double, y: Double, size: Double = PlotStyle.textSize, anchor: Anchor = .start,
    color: String = PlotStyle.text, bold: Bool = false, turned: Bool = false
  ) {
    body += "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(n(size))\" fill=\"\(color)\""
    if anchor != .start { body += " text-anchor=\"\(anchor.rawValue)\"" }
    if bold { body += " font-weight=\"600\"" }
    if turned { body += " transform=\"rotate(-90 \(n(x)) \(n(y)))\"" }
    body += ">\(text.markupEscaped)</text>\n"
  }

  private static let margin = 16.0

  /// The width that a picture needs for its title and subtitle.
  static func headingWidth(_ title: String, _ subtitle: String) -> Double {
    func width(_ text: String, _ size: Double) -> Double { Double(text.count) * size * PlotStyle.characterWidth }
    return 2 * margin + max(width(title, PlotStyle.titleSize), width(subtitle, PlotStyle.textSize))
  }

  /// The title, and below it what the figures are of; what the picture is too narrow for ends in "…".
  mutating func heading(_ title: String, _ subtitle: String) {
    func fitted(_ text: String, _ size: Double) -> String {
      let room = max(Int(((width - 2 * Self.margin) / (size * PlotStyle.characterWidth)).rounded()), 1)
      return text.count > room ? text.prefix(room - 1) + "…" : text
    }
    text(fitted(title, PlotStyle.titleSize), x: Self.margin, y: 26, size: PlotStyle.titleSize, bold: true)
    text(fitted(subtitle, PlotStyle.textSize), x: Self.margin, y: 44, color: PlotStyle.quietText)
  }

  /// The whole document.
  var document: String {
    "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 \(n(width)) \(n(height))\" "
      + "width=\"\(n(width))\" height=\"\(n(height))\" style=\"max-width:100%;height:auto\" "
      + "font-family=\"\(PlotStyle.font)\">\n<title>\(title.markupEscaped)</title>\n"
      + "<desc>\(description.markupEscaped)</desc>\n"
      + "<rect x=\"0.5\" y=\"0.5\" width=\"\(n(width - 1))\" height=\"\(n(height - 1))\" rx=\"\(n(PlotStyle.corner))\" "
      + "fill=\"\(PlotStyle.ground)\" stroke=\"\(PlotStyle.border)\"/>\n" + body + "</svg>"
  }

  private func list(_ points: [(x: Double, y: Double)]) -> String {
    points.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
  }

  private func attributes(_ stroke: PlotStyle.Stroke) -> String {
    " stroke=\"\(stroke.color)\" stroke-width=\"\(n(stroke.width))\""
      + (stroke.dash.map { " stroke-dasharray=\"\($0)\"" } ?? "")
  }
}
