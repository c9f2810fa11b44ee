import NotebookDisplay

/// A chart in characters, for consoles and for those who cannot see pictures.
enum TextChart {
  private static let width = 60
  private static let height = 14
  private static let signs: [Character] = ["●", "▲", "■", "◆", "×", "+", "○", "△"]
  private static let shades: [Character] = ["·", "░", "▒", "▓", "█"]
  private static let rowLimit = 12

  static func text(_ plan: ChartPlan, notes: [String]) -> String {
    let chart = plan.chart
    var parts: [String] = []
    if let title = chart.titleText { parts.append(title) }
    if let subtitle = chart.subtitleText { parts.append(subtitle) }
    if plan.isEmpty {
      parts.append("(no data)")
    } else if plan.facets.isEmpty {
      parts.append(drawing(plan, facet: nil))
    } else {
      for (index, name) in plan.facets.enumerated().prefix(6) {
        parts.append(name + "\n" + drawing(plan, facet: index))
      }
      if plan.facets.count > 6 { parts.append("… and \(plan.facets.count - 6) more") }
    }
    if !plan.isEmpty {
      var table = Chart(marks: Array(chart.marks.prefix(rowLimit))).data
      table.rows = table.rows.map { $0.map(readable) }
      parts.append(table.plainText)
      if chart.marks.count > rowLimit {
        parts.append("… \(NumberText.fixed(Double(chart.marks.count - rowLimit), 0)) more rows: see data")
      }
    }
    return (parts + notes).joined(separator: "\n")
  }

  /// Sixteen digits help nobody here; all of them are in the chart's table.
  private static func readable(_ cell: String) -> String {
    guard cell.count > 8, let number = Double(cell) else { return cell }
    return NumberText.short(number)
  }

  private static func drawing(_ plan: ChartPlan, facet: Int?) -> String {
    let shapes = plan.shapes.filter { facet == nil || $0.facet == -1 || $0.facet == facet }
    let bars = shapes.filter { $0.kind == .bar }
    if !bars.isEmpty, bars.count == shapes.filter({ $0.kind != .errorBar && $0.kind != .rule }).count,
      let list = barList(plan, bars)
    {
      return list
    }
    return grid(plan, shapes)
  }

  /// One line for each bar.
  private static func barList(_ plan: ChartPlan, _ bars: [Shape]) -> String? {
    guard bars.count <= 60 else { return nil }
    var rows: [(name: String, value: Double)] = []
    for bar in bars {
      guard let from = (bar.isHorizontal ? bar.x0 : bar.y0)?.place, let to = (bar.isHorizontal ? bar.x1 : bar.y1)?.place
      else { return nil }
      let style = plan.marks[bar.mark].style
      let place = bar.isHorizontal ? bar.y0 : bar.x0
      let names = [place?.text, style.colorBy?.value.text].compactMap { $0 }.filter { !$0.isEmpty }
      rows.append((names.joined(separator: ", "), to - from))
    }
    let longest = rows.map(\.value.magnitude).max() ?? 1
    let nameWidth = min(rows.map(\.name.count).max() ?? 0, 24)
    return rows.map { row in
      let name = String(row.name.prefix(nameWidth))
      let eighths = longest > 0 ? Int((row.value.magnitude / longest * 40 * 8).rounded()) : 0
      let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
      return name + String(repeating: " ", count: nameWidth - name.count) + " "
        + String(repeating: "█", count: eighths / 8) + partial + " " + NumberText.short(row.value)
    }.joined(separator: "\n")
  }

  private static func grid(_ plan: ChartPlan, _ shapes: [Shape]) -> String {
    var (x, y) = (plan.x, plan.y)
    let columns = x.isCategory ? min(max(x.categories.count * 2, 20), width) : width
    let rows = y.isCategory ? min(max(y.categories.count, 3), 30) : height
    (x.start, x.end) = x.isCategory ? (0, Double(columns)) : (0, Double(columns - 1))
    (y.start, y.end) = y.isCategory ? (0, Double(rows)) : (Double(rows - 1), 0)
    if x.isReversed { swap(&x.start, &x.end) }
    if y.isReversed { swap(&y.start, &y.end) }
    var cells = [[Character]](repeating: [Character](repeating: " ", count: columns), count: rows)
    func put(_ px: Double, _ py: Double, _ sign: Character, over: Bool = true) {
      guard px.isFinite, py.isFinite else { return }
      let column = Int(x.isCategory ? px.rounded(.down) : px.rounded())
      let row = Int(y.isCategory ? py.rounded(.down) : py.rounded())
      guard cells.indices.contains(row), cells[row].indices.contains(column), over || cells[row][column] == " " else {
        return
      }
      cells[row][column] = sign
    }
    var last: [Int: (Double, Double)] = [:]
    let places = Dictionary(plan.colorNames.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    for shape in shapes {
      let colorBy = plan.marks[shape.mark].colorBy
      let index = colorBy.flatMap { places[$0.text] } ?? 0
      let sign = signs[index % signs.count]
      let px = shape.x0.flatMap(x.position)
      let py = shape.y0.flatMap(y.position)
      switch shape.kind {
      case .line:
        guard let px, let py else {
          last[shape.series] = nil
          continue
        }
        if let (bx, by) = last[shape.series] {
          let steps = min(max(Int(max((px - bx).magnitude, (py - by).magnitude).rounded(.up)), 1), 200)
          for step in 0...steps {
            let share = Double(step) / Double(steps)
            put(bx + (px - bx) * share, by + (py - by) * share, sign)
          }
        }
        put(px, py, sign)
        last[shape.series] = (px, py)
      case .point: put(px ?? 0, py ?? 0, sign)
      case .rectangle:
        guard let px, let py else { continue }
        var shade: Character = "█"
        if case .number(let value)? = colorBy, let range = plan.colorRange {
          let share = range.high > range.low ? (value - range.low) / (range.high - range.low) : 1
          shade = value.isFinite ? shades[share.isFinite ? min(max(Int(share * 5), 0), 4) : 4] : "?"
        }
        put(px, py, shade)
        if x.isCategory, x.band >= 2 { put(px - 1, py, shade) }
      case .area, .bar, .errorBar, .rule:
        let toX = shape.x1.flatMap(x.position) ?? px ?? (shape.x0 == nil ? Double(columns) : 0)
        let toY = shape.y1.flatMap(y.position) ?? py ?? (shape.y0 == nil ? Double(rows) : 0)
        let fill: Character = shape.kind == .area ? "░" : shape.kind == .bar ? "█" : px == toX ? "│" : "─"
        let (fromX, fromY) = (px ?? 0, py ?? 0)
        let steps = min(max(Int(max((toX - fromX).magnitude, (toY - fromY).magnitude).rounded(.up)), 1), 200)
        for step in 0...steps {
          let share = Double(step) / Double(steps)
          put(fromX + (toX - fromX) * share, fromY + (toY - fromY) * share, fill, over: shape.kind == .bar)
        }
      }
    }
    return frame(plan, x, y, cells)
  }

  private static func frame(_ plan: ChartPlan, _ x: Scale, _ y: Scale, _ cells: [[Character]]) -> String {
    var names = [String](repeating: "", count: cells.count)
    let ticks = y.ticks(5)
    for (value, label) in zip(ticks, y.labels(ticks)) {
      guard let place = y.position(value) else { continue }
      let row = Int(y.isCategory ? place.rounded(.down) : place.rounded())
      if names.indices.contains(row), names[row].isEmpty { names[row] = String(label.prefix(20)) }
    }
    let margin = names.map(\.count).max() ?? 0
    var lines: [String] = []
    if !plan.yTitle.isEmpty { lines.append(plan.yTitle) }
    for (name, row) in zip(names, cells) {
      var text = String(repeating: " ", count: margin - name.count) + name + " │" + String(row)
      while text.last == " " { text.removeLast() }
      lines.append(text)
    }
    let columns = cells.first?.count ?? 0
    lines.append(String(repeating: " ", count: margin) + " └" + String(repeating: "─", count: columns))
    var labels = [Character](repeating: " ", count: columns + 12)
    var end = -1
    let xTicks = x.ticks(5)
    for (value, label) in zip(xTicks, x.labels(xTicks)) {
      guard let place = x.position(value) else { continue }
      let start = max(Int(place.rounded(.down)) - label.count / 2, 0)
      guard start > end, start + label.count <= labels.count else { continue }
      for (offset, character) in label.enumerated() { labels[start + offset] = character }
      end = start + label.count
    }
    var below = String(repeating: " ", count: margin + 2) + String(labels)
    while below.last == " " { below.removeLast() }
    lines.append(below)
    if !plan.xTitle.isEmpty { lines.append(String(repeating: " ", count: margin + 2) + plan.xTitle) }
    if plan.colorNames.count > 1 {
      lines.append(
        plan.colorNames.prefix(12).enumerated().map { "\(signs[$0 % signs.count]) \($1)" }.joined(separator: "  "))
    }
    return lines.joined(separator: "\n")
  }
}
