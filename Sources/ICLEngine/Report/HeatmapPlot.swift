/// A square grid of values −1…1, each written in its cell.
struct HeatmapPlot {
  let title: String
  let subtitle: String
  let names: [String]
  /// `[row][column]`
  let values: [[Double]]
  let description: String

  var svg: String {
    let cell = 72.0
    let left = 92.0
    let top = 84.0
    let side = cell * Double(names.count)
    var canvas = SVGCanvas(
      width: max(left + side + 24, 380), height: top + side + 24, title: title, description: description)
    canvas.text(title, x: 16, y: 26, size: PlotStyle.titleSize, bold: true)
    canvas.text(subtitle, x: 16, y: 44, color: PlotStyle.quietText)
    for (index, name) in names.enumerated() {
      canvas.text(name, x: left + (Double(index) + 0.5) * cell, y: top - 8, anchor: .middle)
      canvas.text(name, x: left - 8, y: top + (Double(index) + 0.5) * cell + 4, anchor: .end)
    }
    for (row, line) in values.enumerated() {
      for (column, value) in line.enumerated() {
        let (x, y) = (left + Double(column) * cell, top + Double(row) * cell)
        canvas.rectangle(x: x, y: y, width: cell - 2, height: cell - 2, fill: Self.color(value), corner: 3)
        canvas.text(
          ReportNumber.fixed(value, 2), x: x + cell / 2 - 1, y: y + cell / 2 + 3, anchor: .middle,
          color: value.isFinite && abs(value) > 0.55 ? "#ffffff" : PlotStyle.text)
      }
    }
    return canvas.document
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
