/// A square grid of values −1…1, each written in its cell as long as it fits.
package struct HeatmapPlot {
  let title: String
  let subtitle: String
  let names: [String]
  /// `[row][column]`
  let values: [[Double]]
  let description: String
  /// What the rows and columns are, when they are not the same.
  let rowTitle: String?
  let columnTitle: String?

  package init(
    title: String, subtitle: String, names: [String], values: [[Double]], description: String,
    rowTitle: String? = nil, columnTitle: String? = nil
  ) {
    self.title = title
    self.subtitle = subtitle
    self.names = names
    self.values = values
    self.description = description
    self.rowTitle = rowTitle
    self.columnTitle = columnTitle
  }

  /// Cells smaller than this have no number.
  private static let smallestWritten = 30.0

  package var svg: String {
    let count = Double(max(names.count, 1))
    let cell = max(min(72, (440 / count).rounded(.down)), 8)
    let left = rowTitle == nil ? 92.0 : 64
    let top = columnTitle == nil ? 84.0 : 102
    let side = cell * count
    var canvas = SVGCanvas(
      width: max(left + side + 24, 400, min(SVGCanvas.headingWidth(title, subtitle), 640)), height: top + side + 24,
      title: title, description: description)
    canvas.heading(title, subtitle)
    if let columnTitle { canvas.text(columnTitle, x: left + side / 2, y: 74, anchor: .middle) }
    if let rowTitle { canvas.text(rowTitle, x: 22, y: top + side / 2, anchor: .middle, turned: true) }
    // Names side by side need about 20 units each.
    let every = max(Int((20 / cell).rounded(.up)), 1)
    for (index, name) in names.enumerated() where index % every == 0 {
      let middle = (Double(index) + 0.5) * cell
      canvas.text(name, x: left + middle - 1, y: top - 8, anchor: .middle)
      canvas.text(name, x: left - 8, y: top + middle + 3, anchor: .end)
    }
    if cell >= Self.smallestWritten {
      writtenCells(&canvas, left: left, top: top, cell: cell)
    } else {
      smallCells(&canvas, left: left, top: top, cell: cell)
    }
    return canvas.document
  }

  private func writtenCells(_ canvas: inout SVGCanvas, left: Double, top: Double, cell: Double) {
    let size = cell >= 44 ? PlotStyle.textSize : 10.0
    for (row, line) in values.enumerated() {
      for (column, value) in line.enumerated() {
        let (x, y) = (left + Double(column) * cell, top + Double(row) * cell)
        canvas.rectangle(x: x, y: y, width: cell - 2, height: cell - 2, fill: Self.color(value), corner: 3)
        canvas.text(
          value.isNaN ? "–" : ReportNumber.fixed(value, 2), x: x + cell / 2 - 1, y: y + cell / 2 + 3, size: size,
          anchor: .middle, color: value.isFinite && abs(value) > 0.55 ? "#ffffff" : PlotStyle.text)
      }
    }
  }

  /// One element per colour, in steps of 1/50: a grid of forty layers stays small.
  private func smallCells(_ canvas: inout SVGCanvas, left: Double, top: Double, cell: Double) {
    var cells: [String: [(x: Double, y: Double)]] = [:]
    for (row, line) in values.enumerated() {
      for (column, value) in line.enumerated() {
        let step = value.isFinite ? (value * 50).rounded() / 50 : value
        cells[Self.color(step), default: []].append((left + Double(column) * cell, top + Double(row) * cell))
      }
    }
    for (color, places) in cells.sorted(by: { $0.key < $1.key }) {
      canvas.squares(at: places, side: cell - 0.5, fill: color)
    }
  }

  /// White at 0, blue towards 1, vermilion towards −1; grey when undefined.
  static func color(_ value: Double) -> String {
    guard value.isFinite else { return PlotStyle.grid }
    let end: (Double, Double, Double) = value >= 0 ? (0, 94, 150) : (190, 80, 0)
    let share = min(abs(value), 1)
    let white = 246.0
    func channel(_ target: Double) -> String {
      let level = Int((white + (target - white) * share).rounded())
      return (level < 16 ? "0" : "") + String(level, radix: 16)
    }
    return "#" + channel(end.0) + channel(end.1) + channel(end.2)
  }
}
