public import Foundation

// What can be said of marks, in Swift Charts' words. Said twice, the word nearest to the mark counts.

extension ChartContent {
  private func style(_ change: (inout MarkStyle) -> Void) -> AnyChartContent {
    AnyChartContent(self).mapped { $0.change(change) }
  }

  public func foregroundStyle(_ color: Color) -> AnyChartContent {
    style { if $0.color == nil && $0.colorBy == nil { $0.color = color } }
  }
  /// One colour for each category; for numbers, a colour from a scale.
  public func foregroundStyle(by value: PlottableValue<some Plottable>) -> AnyChartContent {
    style { if $0.color == nil && $0.colorBy == nil { $0.colorBy = value.field } }
  }
  public func symbol(_ shape: BasicChartSymbolShape) -> AnyChartContent {
    style { if $0.symbol == nil && $0.symbolBy == nil { $0.symbol = shape } }
  }
  /// One shape for each category. A line gets symbols at its points.
  public func symbol(by value: PlottableValue<some Plottable>) -> AnyChartContent {
    style { if $0.symbol == nil && $0.symbolBy == nil { $0.symbolBy = value.field } }
  }
  /// - Parameter area: in square units of the picture.
  public func symbolSize(_ area: Double) -> AnyChartContent {
    style { if $0.symbolSize == nil && $0.symbolSizeBy == nil { $0.symbolSize = area } }
  }
  public func symbolSize(by value: PlottableValue<some Plottable>) -> AnyChartContent {
    style { if $0.symbolSize == nil && $0.symbolSizeBy == nil { $0.symbolSizeBy = value.field } }
  }
  public func lineStyle(_ stroke: StrokeStyle) -> AnyChartContent {
    style { if $0.stroke == nil && $0.strokeBy == nil { $0.stroke = stroke } }
  }
  /// One pattern of dashes for each category.
  public func lineStyle(by value: PlottableValue<some Plottable>) -> AnyChartContent {
    style { if $0.stroke == nil && $0.strokeBy == nil { $0.strokeBy = value.field } }
  }
  public func opacity(_ share: Double) -> AnyChartContent {
    style { $0.opacity = ($0.opacity ?? 1) * min(max(share.isFinite ? share : 1, 0), 1) }
  }
  /// Bars side by side, one place for each category.
  public func position(
    by value: PlottableValue<some Plottable>, axis: PositionAxis? = nil, span: MarkDimension = .automatic
  ) -> AnyChartContent {
    style {
      guard $0.positionBy == nil else { return }
      $0.positionBy = value.field
      $0.positionAxis = axis
    }
  }
  /// One small chart for each category, all with the same scales. Not in Swift Charts. Marks without it are drawn in
  /// every one.
  public func facet(by value: PlottableValue<some Plottable>) -> AnyChartContent {
    style { if $0.facet == nil { $0.facet = value.field } }
  }
  public func interpolationMethod(_ method: InterpolationMethod) -> AnyChartContent {
    style { if $0.interpolation == nil { $0.interpolation = method } }
  }
  public func cornerRadius(_ radius: Double) -> AnyChartContent {
    style { if $0.cornerRadius == nil { $0.cornerRadius = radius } }
  }
  /// Moves marks by units of the picture; y grows downwards.
  public func offset(x: Double = 0, y: Double = 0) -> AnyChartContent {
    style { $0.offset = ($0.offset.x + x, $0.offset.y + y) }
  }
  /// Marks with a greater one are drawn over those with a smaller one.
  public func zIndex(_ value: Double) -> AnyChartContent { style { if $0.zIndex == nil { $0.zIndex = value } } }

  /// A text beside the mark; one that would touch another is moved, and left out where there is no room.
  public func annotation(
    position: AnnotationPosition = .automatic, alignment: AnnotationAlignment = .center, spacing: Double? = nil,
    @AnnotationBuilder content: () -> Text
  ) -> AnyChartContent {
    let text = content()
    return style {
      $0.annotations.append(
        Annotation(position: position, spacing: spacing ?? 4, text: text.content, color: text.color))
    }
  }
}

/// A text beside a mark or on an axis.
public struct Text: Sendable, Equatable {
  var content: String
  var color: Color?

  public init(_ content: String) { self.content = content }
  public init(verbatim content: String) { self.content = content }
  public init<F: FormatStyle>(_ value: F.FormatInput, format: F) where F.FormatOutput == String {
    content = format.format(value)
  }

  public func foregroundStyle(_ color: Color) -> Text {
    var result = self
    result.color = color
    return result
  }
  public func foregroundColor(_ color: Color?) -> Text {
    var result = self
    result.color = color
    return result
  }
  /// Texts have one size here; taken so that code for Swift Charts compiles.
  public func font(_ font: Font?) -> Text { self }
}

/// Taken so that code for Swift Charts compiles: texts beside marks have one size.
public enum Font: Sendable {
  case largeTitle, title, title2, title3, headline, subheadline, body, callout, footnote, caption, caption2
}

@resultBuilder
public enum AnnotationBuilder {
  public static func buildExpression(_ text: Text) -> Text { text }
  public static func buildExpression(_ text: String) -> Text { Text(text) }
  public static func buildBlock(_ texts: Text...) -> Text {
    var all = Text(texts.map(\.content).filter { !$0.isEmpty }.joined(separator: " "))
    all.color = texts.compactMap(\.color).first
    return all
  }
  public static func buildOptional(_ text: Text?) -> Text { text ?? Text("") }
  public static func buildEither(first text: Text) -> Text { text }
  public static func buildEither(second text: Text) -> Text { text }
}

/// How a line is drawn.
public struct StrokeStyle: Hashable, Sendable {
  public enum Cap: Hashable, Sendable { case butt, round, square }
  public enum Join: Hashable, Sendable { case miter, round, bevel }
  public var lineWidth: Double
  public var lineCap: Cap
  public var lineJoin: Join
  public var miterLimit: Double
  public var dash: [Double]
  public var dashPhase: Double
  public init(
    lineWidth: Double = 1, lineCap: Cap = .butt, lineJoin: Join = .miter, miterLimit: Double = 10, dash: [Double] = [],
    dashPhase: Double = 0
  ) {
    self.lineWidth = lineWidth
    self.lineCap = lineCap
    self.lineJoin = lineJoin
    self.miterLimit = miterLimit
    self.dash = dash
    self.dashPhase = dashPhase
  }
}

/// How a line goes from point to point.
public struct InterpolationMethod: Hashable, Sendable {
  enum Kind: Hashable, Sendable { case linear, monotone, catmullRom, cardinal, stepStart, stepCenter, stepEnd }
  var kind: Kind
  var amount = 0.5
  public static let linear = InterpolationMethod(kind: .linear)
  /// Smooth, without going above or below the values.
  public static let monotone = InterpolationMethod(kind: .monotone)
  public static let catmullRom = InterpolationMethod(kind: .catmullRom)
  public static func catmullRom(alpha: Double) -> InterpolationMethod { .init(kind: .catmullRom, amount: alpha) }
  public static let cardinal = InterpolationMethod(kind: .cardinal)
  public static func cardinal(tension: Double) -> InterpolationMethod { .init(kind: .cardinal, amount: tension) }
  public static let stepStart = InterpolationMethod(kind: .stepStart)
  public static let stepCenter = InterpolationMethod(kind: .stepCenter)
  public static let stepEnd = InterpolationMethod(kind: .stepEnd)
}

public enum BasicChartSymbolShape: Hashable, Sendable {
  case circle, square, triangle, diamond, pentagon, plus, cross, asterisk
}

/// How wide or high a mark is.
public struct MarkDimension: Hashable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  enum Kind: Hashable, Sendable { case automatic, fixed(Double), ratio(Double), inset(Double) }
  var kind: Kind
  public static let automatic = MarkDimension(kind: .automatic)
  /// Units of the picture.
  public static func fixed(_ size: Double) -> MarkDimension { MarkDimension(kind: .fixed(size)) }
  /// A share of the room that there is for it.
  public static func ratio(_ share: Double) -> MarkDimension { MarkDimension(kind: .ratio(share)) }
  /// The room that there is for it, less this at either side.
  public static func inset(_ size: Double) -> MarkDimension { MarkDimension(kind: .inset(size)) }
  init(kind: Kind) { self.kind = kind }
  public init(integerLiteral value: Int) { kind = .fixed(Double(value)) }
  public init(floatLiteral value: Double) { kind = .fixed(value) }

  /// - Parameter room: all that there is.
  func size(in room: Double, automatic share: Double) -> Double {
    let size =
      switch kind {
      case .automatic: room * share
      case .fixed(let size): size
      case .ratio(let share): room * share
      case .inset(let inset): room - 2 * inset
      }
    return max(size.isFinite ? size : room * share, 0.5)
  }
}

/// What happens to bars and areas at the same place.
public enum MarkStackingMethod: Hashable, Sendable {
  /// One on top of the other.
  case standard
  /// The same, as shares of the whole.
  case normalized
  /// The same, around the middle.
  case center
  /// All from zero, one over the other.
  case unstacked
}

public enum PositionAxis: Hashable, Sendable { case horizontal, vertical }

public enum AnnotationPosition: Hashable, Sendable {
  case automatic, overlay, top, bottom, leading, trailing, topLeading, topTrailing, bottomLeading, bottomTrailing
}

public enum AnnotationAlignment: Hashable, Sendable {
  case center, leading, trailing, top, bottom, topLeading, topTrailing, bottomLeading, bottomTrailing
}
