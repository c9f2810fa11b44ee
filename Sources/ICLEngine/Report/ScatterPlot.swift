/// Points in groups that differ in colour and shape, with a legend beside them.
struct ScatterPlot {
  struct Group {
    let name: String
    let color: String
    let shape: SVGCanvas.Marker
    let points: [(x: Double, y: Double)]
  }

  let title: String
  let subtitle: String
  let xTitle: String
  let yTitle: String
  let groups: [Group]
  let description: String

  var svg: String {
    let plot = (left: 46.0, top: 62.0, right: 520.0, bottom: 372.0)
    var canvas = SVGCanvas(width: 640, height: 412, title: title, description: description)
    canvas.heading(title, subtitle)
    canvas.rectangle(
      x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.bottom - plot.top, fill: "none",
      stroke: PlotStyle.grid)
    let all = groups.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let x = Self.scale(all.map(\.x), plot.left + 14, plot.right - 14)
    let y = Self.scale(all.map(\.y), plot.bottom - 14, plot.top + 14)
    for group in groups {
      for point in group.points where point.x.isFinite && point.y.isFinite {
        canvas.marker(group.shape, x: x(point.x), y: y(point.y), radius: 4, color: group.color)
      }
    }
    for (index, group) in groups.enumerated() {
      let line = plot.top + 12 + Double(index) * 22
      canvas.marker(group.shape, x: plot.right + 22, y: line, radius: 5, color: group.color)
      canvas.text(group.name, x: plot.right + 36, y: line + 4)
    }
    canvas.text(xTitle, x: (plot.left + plot.right) / 2, y: plot.bottom + 24, anchor: .middle)
    canvas.text(yTitle, x: 26, y: (plot.top + plot.bottom) / 2, anchor: .middle, turned: true)
    return canvas.document
  }

  private static func scale(_ values: [Double], _ from: Double, _ to: Double) -> (Double) -> Double {
    let low = values.min() ?? 0
    let high = values.max() ?? 1
    return { high > low ? from + ($0 - low) / (high - low) * (to - from) : (from + to) / 2 }
  }
}
