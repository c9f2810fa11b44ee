public import NotebookDisplay

/// A picture of data: marks, and what is said of the whole.
///
///     Chart(rows) {
///       LineMark(x: .value("layer", $0.layer), y: .value("cosine", $0.cosine))
///         .foregroundStyle(by: .value("pair", $0.pair))
///     }
///     .title("How alike the states are")
///
/// The words are those of Swift Charts, and the picture is SVG, drawn without a screen: the same bytes on every
/// machine. Values that are `nil`, NaN or infinite are gaps, and a note in the picture counts what was left out.
public struct Chart: RichDisplayable {
  var marks: [Mark]
  var x = AxisSpec()
  var y = AxisSpec()
  var titleText: String?
  var subtitleText: String?
  var size: (width: Double, height: Double)?
  var facetColumns: Int?
  var legend = Legend()
  var colors = StyleScale<Color>()
  var gradient: [Color]?
  var symbols = StyleScale<BasicChartSymbolShape>()
  var strokes = StyleScale<StrokeStyle>()
  /// Of what was done to the data before they became marks.
  var notes: [String] = []
  var descriptionText: String?

  struct Legend {
    var visibility = Visibility.automatic
    var position = AnnotationPosition.automatic
  }

  init(marks: [Mark]) { self.marks = marks }

  public init(@ChartContentBuilder content: () -> AnyChartContent) { marks = content().marks }

  /// Marks for each element: of an array, a range, a list of tuples.
  public init<Data: Sequence>(_ data: Data, @ChartContentBuilder content: (Data.Element) -> AnyChartContent) {
    marks = ForEach<Data>.marks(data, content).marks
  }

  /// Marks for each entry, in the order of the keys.
  public init<Key: Comparable, Value>(
    _ data: [Key: Value], @ChartContentBuilder content: ((key: Key, value: Value)) -> AnyChartContent
  ) {
    marks = ForEach<[(key: Key, value: Value)]>.marks(data.sorted { $0.key < $1.key }, content).marks
  }

  /// `id` has no meaning here, where nothing moves; it is taken so that code for Swift Charts compiles.
  public init<Data: Sequence, ID>(
    _ data: Data, id: KeyPath<Data.Element, ID>, @ChartContentBuilder content: (Data.Element) -> AnyChartContent
  ) {
    marks = ForEach<Data>.marks(data, content).marks
  }

  private func with(_ change: (inout Chart) -> Void) -> Chart {
    var chart = self
    change(&chart)
    return chart
  }
}

// MARK: What is said of the whole

extension Chart {
  /// The heading. Without one, the chart begins with what its axis measures.
  public func title(_ text: String) -> Chart { with { $0.titleText = text } }
  /// What stands below the title: what the figures are of.
  public func subtitle(_ text: String) -> Chart { with { $0.subtitleText = text } }
  /// What screen readers say of the picture, in place of a sentence made from its data.
  public func accessibilityLabel(_ text: String) -> Chart { with { $0.descriptionText = text } }
  /// Units of the picture, 160…4000: at 520 a phone still shows text that can be read.
  public func frame(width: Double? = nil, height: Double? = nil) -> Chart {
    func held(_ value: Double?, _ other: Double) -> Double {
      guard let value, value.isFinite else { return other }
      return min(max(value, 160), 4000)
    }
    return with {
      let old = $0.size ?? Theme.size
      $0.size = (held(width, old.width), held(height, old.height))
    }
  }
  /// How many small charts of `facet(by:)` stand side by side.
  public func chartFacets(columns: Int) -> Chart { with { $0.facetColumns = max(columns, 1) } }

  public func chartXScale(type: ScaleType) -> Chart { with { $0.x.type = type } }
  public func chartYScale(type: ScaleType) -> Chart { with { $0.y.type = type } }
  public func chartXScale(range: PlotDimensionScaleRange, type: ScaleType? = nil) -> Chart {
    with {
      $0.x.range = range
      $0.x.type = type ?? $0.x.type
    }
  }
  public func chartYScale(range: PlotDimensionScaleRange, type: ScaleType? = nil) -> Chart {
    with {
      $0.y.range = range
      $0.y.type = type ?? $0.y.type
    }
  }
  public func chartXScale(
    domain: some ScaleDomain, range: PlotDimensionScaleRange = .plotDimension, type: ScaleType? = nil
  ) -> Chart {
    with {
      $0.x.domain = domain._domain
      $0.x.range = range
      $0.x.type = type ?? $0.x.type
    }
  }
  public func chartYScale(
    domain: some ScaleDomain, range: PlotDimensionScaleRange = .plotDimension, type: ScaleType? = nil
  ) -> Chart {
    with {
      $0.y.domain = domain._domain
      $0.y.range = range
      $0.y.type = type ?? $0.y.type
    }
  }

  public func chartXAxis(_ visibility: Visibility) -> Chart { with { $0.x.visibility = visibility } }
  public func chartYAxis(_ visibility: Visibility) -> Chart { with { $0.y.visibility = visibility } }
  public func chartXAxis(@AxisContentBuilder content: () -> [AxisMarks]) -> Chart { with { $0.x.marks = content() } }
  public func chartYAxis(@AxisContentBuilder content: () -> [AxisMarks]) -> Chart { with { $0.y.marks = content() } }
  /// The name of the x axis; empty for none. Without it, the axis is named by what its values are labelled.
  public func chartXAxisLabel(
    _ label: String, position: AnnotationPosition = .automatic, alignment: AnnotationAlignment? = nil,
    spacing: Double? = nil
  ) -> Chart { with { $0.x.label = label } }
  public func chartYAxisLabel(
    _ label: String, position: AnnotationPosition = .automatic, alignment: AnnotationAlignment? = nil,
    spacing: Double? = nil
  ) -> Chart { with { $0.y.label = label } }

  public func chartLegend(_ visibility: Visibility) -> Chart { with { $0.legend.visibility = visibility } }
  /// A legend at `position`. `.automatic` writes names at the ends of lines where there are only lines.
  public func chartLegend(
    position: AnnotationPosition, alignment: AnnotationAlignment? = nil, spacing: Double? = nil
  ) -> Chart {
    with {
      $0.legend.position = position
      $0.legend.visibility = .visible
    }
  }

  public func chartForegroundStyleScale<Value: Plottable>(_ mapping: KeyValuePairs<Value, Color>) -> Chart {
    with { $0.colors = StyleScale(mapping.map { ($0.key.asPlotted.text, $0.value) }) }
  }
  public func chartForegroundStyleScale(domain: [some Plottable], range: [Color]) -> Chart {
    with { $0.colors = StyleScale(names: domain.map(\.asPlotted.text), values: range) }
  }
  public func chartForegroundStyleScale(domain: [some Plottable]) -> Chart {
    with { $0.colors = StyleScale(names: domain.map(\.asPlotted.text), values: []) }
  }
  public func chartForegroundStyleScale(range: [Color]) -> Chart {
    with { $0.colors = StyleScale(names: [], values: range) }
  }
  /// The colours of numbers, from the smallest to the greatest.
  public func chartForegroundStyleScale(range: Gradient) -> Chart { with { $0.gradient = range.colors } }
  public func chartSymbolScale<Value: Plottable>(
    _ mapping: KeyValuePairs<Value, BasicChartSymbolShape>
  ) -> Chart {
    with { $0.symbols = StyleScale(mapping.map { ($0.key.asPlotted.text, $0.value) }) }
  }
  public func chartSymbolScale(domain: [some Plottable], range: [BasicChartSymbolShape]) -> Chart {
    with { $0.symbols = StyleScale(names: domain.map(\.asPlotted.text), values: range) }
  }
  public func chartLineStyleScale<Value: Plottable>(_ mapping: KeyValuePairs<Value, StrokeStyle>) -> Chart {
    with { $0.strokes = StyleScale(mapping.map { ($0.key.asPlotted.text, $0.value) }) }
  }
  public func chartLineStyleScale(domain: [some Plottable], range: [StrokeStyle]) -> Chart {
    with { $0.strokes = StyleScale(names: domain.map(\.asPlotted.text), values: range) }
  }

  func noting(_ text: String?) -> Chart { text.map { text in with { $0.notes.append(text) } } ?? self }
}

/// Which style a category has: what was said, or the next of a list.
struct StyleScale<Style> {
  private(set) var names: [String] = []
  private(set) var values: [Style] = []
  private var known: [String: Style] = [:]
  private let isSaid: Bool

  init() { isSaid = false }
  init(_ pairs: [(String, Style)]) {
    names = pairs.map(\.0)
    values = pairs.map(\.1)
    known = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    isSaid = true
  }
  init(names: [String], values: [Style]) {
    self.names = names
    self.values = values
    if !values.isEmpty {
      for (index, name) in names.enumerated() where known[name] == nil { known[name] = values[index % values.count] }
    }
    isSaid = true
  }

  func style(_ name: String, at index: Int, else list: (Int) -> Style) -> Style {
    if let style = known[name] { return style }
    return values.isEmpty || !known.isEmpty ? list(index) : values[index % values.count]
  }

  /// The categories in the order of the legend: those that were said first.
  func order(_ found: [String]) -> [String] {
    let present = Set(found)
    let said = names.filter(present.contains)
    let saidSet = Set(said)
    return said + found.filter { !saidSet.contains($0) }
  }
}
