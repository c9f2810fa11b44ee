/// A mark with its values resolved: stacked, and with a place among those it shares a category with.
struct Shape {
  var mark: Int
  var kind: Mark.Kind
  var x0: PlottedValue?
  var x1: PlottedValue?
  var y0: PlottedValue?
  var y1: PlottedValue?
  /// Of bars and areas: whether they grow along x.
  var isHorizontal = false
  var slot = 0
  var slots = 1
  var color: Color
  /// Of lines and areas: which one it belongs to.
  var series = 0
  /// The place among ``ChartPlan/facets``; −1 is in all.
  var facet = -1
}

/// What a legend says of one category.
struct LegendItem {
  var name: String
  var color: Color
  var symbol: BasicChartSymbolShape?
  var dash: [Double]?
}

/// A chart's data made ready to be drawn: scales, colours, stacked bars.
struct ChartPlan {
  let chart: Chart
  var shapes: [Shape] = []
  var x = Scale(kind: .linear, low: 0, high: 1)
  var y = Scale(kind: .linear, low: 0, high: 1)
  var xTitle = ""
  var yTitle = ""
  var facets: [String] = []
  var colorNames: [String] = []
  var symbolNames: [String] = []
  var strokeNames: [String] = []
  var colorTitle = ""
  /// Of colours by number: the values at the ends.
  var colorRange: (low: Double, high: Double)?
  var isDiverging = false
  var legend: [LegendItem] = []
  var notes: [String]
  /// Names of the lines and areas, by series.
  var seriesCount = 0
  private var colorIndex: [String: Int] = [:]
  private var symbolIndex: [String: Int] = [:]
  private var strokeIndex: [String: Int] = [:]
  private var facetIndex: [String: Int] = [:]

  init(_ chart: Chart) {
    self.chart = chart
    notes = chart.notes
    findNames()
    makeShapes()
    makeScales()
    makeLegend()
  }

  var marks: [Mark] { chart.marks }
  var isEmpty: Bool { shapes.isEmpty }

  // MARK: Names

  private mutating func findNames() {
    var colors = Names()
    var symbols = Names()
    var strokes = Names()
    var panels = Names()
    var range = Extent()
    let isMapped = !chart.colors.names.isEmpty
    for mark in marks where mark.hasStyle {
      let style = mark.style
      if let field = style.colorBy {
        if colorTitle.isEmpty { colorTitle = field.label }
        if case .number(let value) = field.value, !isMapped { range.add(value) } else { colors.add(field.value) }
      }
      if let field = style.symbolBy { symbols.add(field.value) }
      if let field = style.strokeBy { strokes.add(field.value) }
      if let field = style.facet { panels.add(field.value) }
    }
    colorNames = chart.colors.order(colors.all)
    symbolNames = chart.symbols.order(symbols.all)
    strokeNames = chart.strokes.order(strokes.all)
    facets = panels.all
    func index(_ names: [String]) -> [String: Int] {
      Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }
    colorIndex = index(colorNames)
    symbolIndex = index(symbolNames)
    strokeIndex = index(strokeNames)
    facetIndex = index(facets)
    if let (low, high) = range.ends {
      isDiverging = low < 0 && high > 0 && chart.gradient == nil
      colorRange = isDiverging ? (-max(-low, high), max(-low, high)) : (low, high)
    }
  }

  func color(of style: MarkStyle, kind: Mark.Kind) -> Color {
    if let color = style.color { return color }
    guard let field = style.colorBy else {
      return kind == .rule ? .secondary : chart.colors.values.first ?? .blue
    }
    if case .number(let value) = field.value, let range = colorRange {
      guard value.isFinite else { return Color(.palette(7), alpha: 0.35) }
      let share = range.high > range.low ? (value - range.low) / (range.high - range.low) : 0.5
      return Theme.blend(chart.gradient ?? (isDiverging ? Theme.diverging : Theme.sequential), share)
    }
    return color(named: field.value.text)
  }
  func color(named name: String) -> Color {
    chart.colors.style(name, at: colorIndex[name] ?? 0) { Color(.palette($0 % Theme.palette.count)) }
  }

  func symbol(of style: MarkStyle) -> BasicChartSymbolShape {
    if let symbol = style.symbol { return symbol }
    if let field = style.symbolBy {
      let name = field.value.text
      return chart.symbols.style(name, at: symbolIndex[name] ?? 0) { Theme.symbols[$0 % Theme.symbols.count] }
    }
    // Colour alone does not tell points apart for everybody.
    if let field = style.colorBy, let index = colorIndex[field.value.text] {
      return Theme.symbols[index % Theme.symbols.count]
    }
    return .circle
  }

  func stroke(of style: MarkStyle) -> StrokeStyle {
    if let stroke = style.stroke { return stroke }
    if let field = style.strokeBy {
      let name = field.value.text
      return chart.strokes.style(name, at: strokeIndex[name] ?? 0) { index in
        StrokeStyle(lineWidth: Theme.lineWidth, dash: Theme.dashes[index % Theme.dashes.count])
      }
    }
    if let field = style.colorBy, let index = colorIndex[field.value.text] {
      return StrokeStyle(lineWidth: Theme.lineWidth, dash: Theme.dashes[index % Theme.dashes.count])
    }
    return StrokeStyle(lineWidth: Theme.lineWidth)
  }

  // MARK: Shapes

  /// What makes two marks points of one line.
  private struct SeriesKey: Hashable {
    var kind: Mark.Kind
    var label: String?
    var color: Color?
    var colorBy: PlottedValue?
    var symbolBy: PlottedValue?
    var strokeBy: PlottedValue?
    var series: PlottedValue?
    var facet: PlottedValue?
  }

  private mutating func makeShapes() {
    var seriesOf: [SeriesKey: Int] = [:]
    var last: (key: SeriesKey, series: Int)?
    var slotNames = Names()
    var leftOut = 0
    shapes.reserveCapacity(marks.count)
    let plain = MarkStyle()
    for (index, mark) in marks.enumerated() {
      let style = mark.hasStyle ? mark.style : plain
      var shape = Shape(
        mark: index, kind: mark.kind, x0: mark.x?.value, x1: mark.xEnd?.value ?? mark.x?.end, y0: mark.y?.value,
        y1: mark.yEnd?.value ?? mark.y?.end, color: color(of: style, kind: mark.kind))
      if let facet = style.facet { shape.facet = facetIndex[facet.value.text] ?? -1 }
      let state = Self.worst(
        Self.worst(Self.state(shape.x0), Self.state(shape.x1)), Self.worst(Self.state(shape.y0), Self.state(shape.y1)))
      let isWhole = state == .placeable
      if state == .notFinite { leftOut += 1 }
      switch mark.kind {
      case .line, .area:
        let key = SeriesKey(
          kind: mark.kind, label: mark.y?.label, color: style.color, colorBy: style.colorBy?.value,
          symbolBy: style.symbolBy?.value, strokeBy: style.strokeBy?.value, series: style.series?.value,
          facet: style.facet?.value)
        if let last, last.key == key {
          shape.series = last.series
        } else {
          shape.series = seriesOf[key] ?? seriesOf.count
          seriesOf[key] = shape.series
          last = (key, shape.series)
        }
        shape.isHorizontal = mark.kind == .area && mark.xEnd != nil
      case .bar: shape.isHorizontal = Self.isHorizontalBar(mark)
      default: break
      }
      if let field = style.positionBy { slotNames.add(field.value) }
      // A gap ends a line, and what has no place is nothing in all other marks.
      guard isWhole || mark.kind == .line || mark.kind == .area else { continue }
      if !isWhole {
        shape.y0 = .missing
        shape.y1 = nil
      }
      shapes.append(shape)
    }
    seriesCount = seriesOf.count
    if !shapes.contains(where: { $0.y0 != .missing }) { shapes = [] }
    if leftOut > 0 {
      notes.append(leftOut == 1 ? "1 value is not finite: left out" : "\(leftOut) values are not finite: left out")
    }
    if !slotNames.all.isEmpty { placeSideBySide(slotNames.all) }
    stack()
  }

  private enum State: Int { case placeable, notFinite, missing }
  private static func state(_ value: PlottedValue?) -> State {
    switch value {
    case .none, .category: .placeable
    case .missing: .missing
    case .number(let number), .date(let number): number.magnitude < 1e300 ? .placeable : .notFinite
    }
  }
  private static func worst(_ one: State, _ other: State) -> State { one.rawValue < other.rawValue ? other : one }

  private static func isHorizontalBar(_ mark: Mark) -> Bool {
    if mark.yEnd != nil { return false }
    if mark.xEnd != nil { return true }
    guard let x = mark.x else { return false }
    guard let y = mark.y else { return true }
    if x.value.isCategory || x.end != nil { return false }
    return y.value.isCategory || y.end != nil || y.value.isDate && !x.value.isDate
  }

  private mutating func placeSideBySide(_ names: [String]) {
    let places = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    for index in shapes.indices {
      guard let field = marks[shapes[index].mark].style.positionBy else { continue }
      shapes[index].slot = places[field.value.text] ?? 0
      shapes[index].slots = names.count
    }
  }

  /// Puts bars and areas that share a place on top of one another.
  private mutating func stack() {
    struct Place: Hashable {
      var place: PlottedValue?
      var slot: Int
      var facet: Int
      var isHorizontal: Bool
      var kind: Mark.Kind
    }
    var sums: [Place: (positive: Double, negative: Double)] = [:]
    var isStacked: [Int] = []
    for (index, shape) in shapes.enumerated() where shape.kind == .bar || shape.kind == .area {
      let mark = marks[shape.mark]
      guard mark.xEnd == nil, mark.yEnd == nil else { continue }
      let isHorizontal = shape.isHorizontal
      let value = isHorizontal ? shape.x0 : shape.y0
      guard case .number(let number)? = value else { continue }
      let method = mark.style.stacking ?? .standard
      let key = Place(
        place: isHorizontal ? shape.y0 : shape.x0, slot: shape.slot, facet: shape.facet, isHorizontal: isHorizontal,
        kind: shape.kind)
      var sum = sums[key] ?? (0, 0)
      let from = method == .unstacked ? 0 : number < 0 ? sum.negative : sum.positive
      if number < 0 { sum.negative += number } else { sum.positive += number }
      sums[key] = sum
      set(index, from, from + number)
      if method == .normalized || method == .center { isStacked.append(index) }
    }
    for index in isStacked {
      let shape = shapes[index]
      let isHorizontal = shape.isHorizontal
      let key = Place(
        place: isHorizontal ? shape.y0 : shape.x0, slot: shape.slot, facet: shape.facet, isHorizontal: isHorizontal,
        kind: shape.kind)
      guard let sum = sums[key], let from = (isHorizontal ? shape.x0 : shape.y0)?.place,
        let to = (isHorizontal ? shape.x1 : shape.y1)?.place
      else { continue }
      let whole = sum.positive - sum.negative
      if marks[shape.mark].style.stacking == .normalized {
        set(index, whole > 0 ? from / whole : 0, whole > 0 ? to / whole : 0)
      } else {
        let middle = (sum.positive + sum.negative) / 2
        set(index, from - middle, to - middle)
      }
    }
  }

  private mutating func set(_ index: Int, _ from: Double, _ to: Double) {
    if shapes[index].isHorizontal {
      shapes[index].x0 = .number(from)
      shapes[index].x1 = .number(to)
    } else {
      shapes[index].y0 = .number(from)
      shapes[index].y1 = .number(to)
    }
  }

  // MARK: Legend

  private mutating func makeLegend() {
    let kinds = Set(shapes.map(\.kind))
    let hasPoints = kinds.contains(.point)
    let hasLines = kinds.contains(.line)
    func item(_ name: String, _ color: Color, _ style: MarkStyle) -> LegendItem {
      LegendItem(
        name: name, color: color, symbol: hasPoints ? symbol(of: style) : nil,
        dash: hasLines ? stroke(of: style).dash : nil)
    }
    legend = colorNames.map { name in
      let example = marks.first { $0.colorBy?.text == name }?.style ?? MarkStyle()
      return item(name.isEmpty ? "none" : name, color(named: name), example)
    }
    let said = Set(colorNames)
    for name in symbolNames where !said.contains(name) {
      let example = marks.first { $0.hasStyle && $0.style.symbolBy?.value.text == name }?.style ?? MarkStyle()
      legend.append(LegendItem(name: name, color: .secondary, symbol: symbol(of: example), dash: nil))
    }
    for name in strokeNames where !said.contains(name) && !symbolNames.contains(name) {
      let example = marks.first { $0.hasStyle && $0.style.strokeBy?.value.text == name }?.style ?? MarkStyle()
      legend.append(LegendItem(name: name, color: .secondary, symbol: nil, dash: stroke(of: example).dash))
    }
  }

  /// Names at the ends of the lines say which is which, so that nobody has to match colours with a legend.
  var namesAtEnds: Bool {
    guard chart.legend.visibility == .automatic, facets.isEmpty, !x.isCategory || x.categories.count > 2,
      colorRange == nil, (2...12).contains(colorNames.count), legend.count == colorNames.count
    else { return false }
    var hasLine: Set<String> = []
    var last: PlottedValue?
    for shape in shapes {
      if shape.kind == .line, let value = marks[shape.mark].colorBy, value != last {
        hasLine.insert(value.text)
        last = value
      }
      if shape.kind == .bar || shape.kind == .rectangle { return false }
    }
    return hasLine.count == colorNames.count
  }
}

/// Names in the order in which they come, each once.
struct Names {
  private(set) var all: [String] = []
  private var known: Set<String> = []
  private var last: PlottedValue?
  mutating func add(_ value: PlottedValue) {
    if value == last { return }
    last = value
    let name = value.text
    if known.insert(name).inserted { all.append(name) }
  }
}

/// The smallest and the greatest of numbers.
struct Extent {
  private(set) var low = Double.infinity
  private(set) var high = -Double.infinity
  mutating func add(_ value: Double) {
    guard value.isFinite else { return }
    low = min(low, value)
    high = max(high, value)
  }
  var ends: (low: Double, high: Double)? { low <= high ? (low, high) : nil }
}
