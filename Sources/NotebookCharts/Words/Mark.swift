/// One mark with all that was said of it.
struct Mark: Sendable {
  enum Kind: Sendable, Hashable { case line, area, point, bar, rectangle, rule, errorBar }
  var kind: Kind
  var x: Field?
  var xEnd: Field?
  var y: Field?
  var yEnd: Field?
  /// Zero or one: most marks of many have nothing of their own.
  private var styles: [MarkStyle] = []

  init(_ kind: Kind, x: Field? = nil, xEnd: Field? = nil, y: Field? = nil, yEnd: Field? = nil) {
    self.kind = kind
    self.x = x
    self.xEnd = xEnd
    self.y = y
    self.yEnd = yEnd
  }

  var style: MarkStyle {
    get { styles.first ?? MarkStyle() }
    set {
      if styles.isEmpty { styles = [newValue] } else { styles[0] = newValue }
    }
  }
  /// Without a copy of what is there.
  mutating func change(_ body: (inout MarkStyle) -> Void) {
    if styles.isEmpty { styles = [MarkStyle()] }
    body(&styles[0])
  }
  var hasStyle: Bool { !styles.isEmpty }

  // What is asked of every mark, without a copy of its whole style.
  var zIndex: Double? { styles.isEmpty ? nil : styles[0].zIndex }
  var hasAnnotations: Bool { !styles.isEmpty && !styles[0].annotations.isEmpty }
  var offset: (x: Double, y: Double) { styles.isEmpty ? (0, 0) : styles[0].offset }
  var colorBy: PlottedValue? { styles.isEmpty ? nil : styles[0].colorBy?.value }
}

struct MarkStyle: Sendable {
  var color: Color?
  var colorBy: Field?
  var symbol: BasicChartSymbolShape?
  var symbolBy: Field?
  var symbolSize: Double?
  var symbolSizeBy: Field?
  var stroke: StrokeStyle?
  var strokeBy: Field?
  var series: Field?
  var positionBy: Field?
  var positionAxis: PositionAxis?
  var facet: Field?
  var opacity: Double?
  var opacityBy: Field?
  var interpolation: InterpolationMethod?
  var cornerRadius: Double?
  var width: MarkDimension?
  var height: MarkDimension?
  var stacking: MarkStackingMethod?
  var offset = (x: 0.0, y: 0.0)
  var zIndex: Double?
  var annotations: [Annotation] = []
}

struct Annotation: Sendable {
  var position: AnnotationPosition
  var spacing: Double
  var text: String
  var color: Color?
}
