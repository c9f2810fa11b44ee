/// The legend above the plot.
extension ChartRenderer {
  /// - Returns: where the plot may begin.
  mutating func legend(_ top: Double) -> Double {
    guard plan.chart.legend.visibility != .hidden, !plan.isEmpty else { return top }
    if plan.colorRange != nil { return colorBar(top) }
    guard !plan.legend.isEmpty, !plan.namesAtEnds else { return top }
    let right = size.width - Theme.margin
    var x = Theme.margin
    var y = top + 6
    let limit = 24
    for (index, item) in plan.legend.enumerated() {
      let isRest = index == limit && plan.legend.count > limit + 1
      let name =
        isRest
        ? "… and \(plan.legend.count - limit) more"
        : TextWidth.fitted(item.name, size: Theme.textSize, width: size.width - 2 * Theme.margin - 24)
      let width = TextWidth.of(name, size: Theme.textSize) + 24
      if x > Theme.margin, x + width > right {
        x = Theme.margin
        y += 18
      }
      if !isRest { swatch(item, Point(x, y + 6)) }
      canvas.text(name, x: x + (isRest ? 0 : 22), y: y + 10.5)
      x += width + 14
      if isRest { break }
    }
    return y + 16
  }

  private mutating func swatch(_ item: LegendItem, _ place: Point) {
    let middle = Point(place.x + 8, place.y)
    if let dash = item.dash {
      canvas.line(
        Point(place.x, place.y), Point(place.x + 17, place.y),
        Paint(stroke: item.color, width: Theme.lineWidth, dash: dash))
    }
    if let symbol = item.symbol {
      canvas.symbol(symbol, at: middle, radius: 4.5, item.color, opacity: 1)
    } else if item.dash == nil {
      canvas.rectangle(
        Box(left: place.x + 3, top: place.y - 5, right: place.x + 14, bottom: place.y + 6), Paint(fill: item.color),
        corner: 2)
    }
  }

  /// Colours by number, with the values at the ends.
  private mutating func colorBar(_ top: Double) -> Double {
    guard let range = plan.colorRange else { return top }
    let y = top + 6
    let low = NumberText.short(range.low)
    let high = NumberText.short(range.high)
    var x = Theme.margin
    let widths = (TextWidth.of(low, size: Theme.smallSize), TextWidth.of(high, size: Theme.smallSize))
    let bar = 120.0
    let room = size.width - 2 * Theme.margin - bar - widths.0 - widths.1 - 30
    let title = TextWidth.fitted(plan.colorTitle, size: Theme.smallSize, width: max(room, 0))
    canvas.text(title, x: x, y: y + 10, size: Theme.smallSize, color: .secondary)
    if !title.isEmpty { x += TextWidth.of(title, size: Theme.smallSize) + 12 }
    canvas.text(low, x: x, y: y + 10, size: Theme.smallSize, color: .secondary)
    x += widths.0 + 6
    let colors = plan.chart.gradient ?? (plan.isDiverging ? Theme.diverging : Theme.sequential)
    let steps = 24
    for step in 0..<steps {
      let from = x + bar * Double(step) / Double(steps)
      canvas.rectangle(
        Box(left: from, top: y + 1, right: from + bar / Double(steps) + (step < steps - 1 ? 0.5 : 0), bottom: y + 11),
        Paint(fill: Theme.blend(colors, Double(step) / Double(steps - 1))))
    }
    canvas.text(high, x: x + bar + 6, y: y + 10, size: Theme.smallSize, color: .secondary)
    return y + 16
  }
}
