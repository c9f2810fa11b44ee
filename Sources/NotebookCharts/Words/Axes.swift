public import Foundation

// What can be said of axes, in Swift Charts' words.

public enum Visibility: Hashable, Sendable { case automatic, visible, hidden }

/// Where the values of an axis are placed.
public struct ScaleType: Hashable, Sendable {
  enum Kind: Hashable, Sendable { case linear, log, squareRoot, symmetricLog, category, date }
  var kind: Kind
  var constant = 1.0
  public static let linear = ScaleType(kind: .linear)
  public static let log = ScaleType(kind: .log)
  public static let squareRoot = ScaleType(kind: .squareRoot)
  public static let symmetricLog = ScaleType(kind: .symmetricLog)
  public static func symmetricLog(slopeAtZero: Double) -> ScaleType {
    ScaleType(kind: .symmetricLog, constant: slopeAtZero.isFinite && slopeAtZero > 0 ? slopeAtZero : 1)
  }
  public static let category = ScaleType(kind: .category)
  public static let date = ScaleType(kind: .date)
}

/// What an axis reaches over.
public protocol ScaleDomain {
  var _domain: ScaleDomainValue { get }
}

/// The values of a ``ScaleDomain``.
public struct ScaleDomainValue: Sendable {
  var values: [PlottedValue] = []
  var isRange = false
  var includesZero: Bool?
  var isReversed = false
}

/// The domain that the data have.
public struct AutomaticScaleDomain: ScaleDomain, Sendable {
  public var _domain: ScaleDomainValue
}

extension ScaleDomain where Self == AutomaticScaleDomain {
  public static var automatic: AutomaticScaleDomain { AutomaticScaleDomain(_domain: ScaleDomainValue()) }
  public static func automatic(includesZero: Bool? = nil, reversed: Bool = false) -> AutomaticScaleDomain {
    AutomaticScaleDomain(_domain: ScaleDomainValue(includesZero: includesZero, isReversed: reversed))
  }
}

extension ClosedRange: ScaleDomain where Bound: Plottable {
  public var _domain: ScaleDomainValue {
    ScaleDomainValue(values: [lowerBound.asPlotted, upperBound.asPlotted], isRange: true)
  }
}
extension Range: ScaleDomain where Bound: Plottable {
  public var _domain: ScaleDomainValue {
    ScaleDomainValue(values: [lowerBound.asPlotted, upperBound.asPlotted], isRange: true)
  }
}
extension Array: ScaleDomain where Element: Plottable {
  public var _domain: ScaleDomainValue { ScaleDomainValue(values: map(\.asPlotted)) }
}

/// How much room is left beside the outermost marks.
public struct PlotDimensionScaleRange: Hashable, Sendable {
  var start = 0.0
  var end = 0.0
  public static let plotDimension = PlotDimensionScaleRange()
  public static func plotDimension(padding: Double) -> PlotDimensionScaleRange {
    PlotDimensionScaleRange(start: padding, end: padding)
  }
  public static func plotDimension(startPadding: Double = 0, endPadding: Double = 0) -> PlotDimensionScaleRange {
    PlotDimensionScaleRange(start: startPadding, end: endPadding)
  }
}

/// At which values an axis has marks.
public struct AxisMarkValues: Sendable {
  enum Kind: Sendable {
    case automatic(Int?)
    case stride(Double)
    case calendar(CalendarUnit, Int)
    case list([PlottedValue])
  }
  var kind: Kind
  public static let automatic = AxisMarkValues(kind: .automatic(nil))
  public static func automatic(
    desiredCount: Int? = nil, roundLowerBound: Bool? = nil, roundUpperBound: Bool? = nil
  ) -> AxisMarkValues { AxisMarkValues(kind: .automatic(desiredCount)) }
  public static func automatic(minimumStride: Double, desiredCount: Int? = nil) -> AxisMarkValues {
    AxisMarkValues(kind: .automatic(desiredCount))
  }
  public static func stride(
    by step: Double, roundLowerBound: Bool? = nil, roundUpperBound: Bool? = nil
  ) -> AxisMarkValues { AxisMarkValues(kind: .stride(step)) }
  /// Every `count` days, months or other units of UTC.
  public static func stride(
    by component: Calendar.Component, count: Int = 1, roundLowerBound: Bool? = nil, roundUpperBound: Bool? = nil
  ) -> AxisMarkValues {
    guard let unit = CalendarUnit(component) else { return .automatic }
    return AxisMarkValues(kind: .calendar(unit, max(count, 1)))
  }
}

public enum AxisMarkPosition: Hashable, Sendable { case automatic, leading, trailing, top, bottom }
public enum AxisMarkPreset: Hashable, Sendable { case automatic, aligned, extended, inset }

/// One value of an axis.
public struct AxisValue: Sendable {
  public let index: Int
  public let count: Int
  let value: PlottedValue

  /// The value as an `Int`, `Double`, `String`, `Date` …; `nil` where it is none.
  public func `as`<P: Plottable>(_ type: P.Type) -> P? { Self.convert(value, to: type) }

  static func convert<P>(_ value: PlottedValue, to type: P.Type) -> P? {
    switch value {
    case .number(let number):
      if type == Int.self { return Int(exactly: number.rounded()) as? P }
      if type == Float.self { return Float(number) as? P }
      if type == CGFloat.self { return CGFloat(number) as? P }
      if type == Decimal.self { return Decimal(number) as? P }
      return number as? P
    case .date(let seconds): return Date(timeIntervalSince1970: seconds) as? P
    case .category(let name):
      if let text = name as? P { return text }
      if let plottable = type as? any Plottable.Type { return make(plottable, name) as? P }
      return nil
    case .missing: return nil
    }
  }
  private static func make<P: Plottable>(_ type: P.Type, _ name: String) -> P? {
    (name as? P.PrimitivePlottable).flatMap { P(primitivePlottable: $0) }
  }
}

/// A part of an axis: grid line, tick or label.
public protocol AxisMark {
  var _pieces: [AxisPiece] { get }
}

/// What is drawn at a value of an axis.
public struct AxisPiece: Sendable {
  enum Kind: Sendable {
    case grid, tick
    /// `nil`: the value in the axis' own form.
    case label(String?)
    case format(@Sendable (PlottedValue) -> String?)
  }
  var kind: Kind
  var stroke: StrokeStyle?
  var color: Color?
}

struct AxisMarkList: AxisMark { var _pieces: [AxisPiece] }

extension AxisMark {
  public func foregroundStyle(_ color: Color) -> some AxisMark {
    AxisMarkList(
      _pieces: _pieces.map {
        var piece = $0
        if piece.color == nil { piece.color = color }
        return piece
      })
  }
  /// Texts have one size here; taken so that code for Swift Charts compiles.
  public func font(_ font: Font?) -> some AxisMark { AxisMarkList(_pieces: _pieces) }
}

public struct AxisGridLine: AxisMark {
  public let _pieces: [AxisPiece]
  public init(centered: Bool? = nil, stroke: StrokeStyle? = nil) { _pieces = [AxisPiece(kind: .grid, stroke: stroke)] }
}

public struct AxisTick: AxisMark {
  public let _pieces: [AxisPiece]
  public init(centered: Bool? = nil, stroke: StrokeStyle? = nil) { _pieces = [AxisPiece(kind: .tick, stroke: stroke)] }
}

public struct AxisValueLabel: AxisMark {
  public let _pieces: [AxisPiece]
  public init(centered: Bool? = nil) { _pieces = [AxisPiece(kind: .label(nil))] }
  public init(_ text: String, centered: Bool? = nil) { _pieces = [AxisPiece(kind: .label(text))] }
  public init(centered: Bool? = nil, @AnnotationBuilder content: () -> Text) {
    let text = content()
    _pieces = [AxisPiece(kind: .label(text.content), color: text.color)]
  }
  public init<F: FormatStyle & Sendable>(format: F, centered: Bool? = nil) where F.FormatOutput == String {
    _pieces = [AxisPiece(kind: .format { AxisValue.convert($0, to: F.FormatInput.self).map(format.format) })]
  }
}

@resultBuilder
public enum AxisMarkBuilder {
  public static func buildExpression(_ mark: some AxisMark) -> [AxisPiece] { mark._pieces }
  public static func buildBlock(_ parts: [AxisPiece]...) -> [AxisPiece] { parts.flatMap { $0 } }
  public static func buildOptional(_ part: [AxisPiece]?) -> [AxisPiece] { part ?? [] }
  public static func buildEither(first part: [AxisPiece]) -> [AxisPiece] { part }
  public static func buildEither(second part: [AxisPiece]) -> [AxisPiece] { part }
}

/// The marks of an axis: where they are and of which parts.
public struct AxisMarks {
  var values: AxisMarkValues
  var position: AxisMarkPosition
  var pieces: ((AxisValue) -> [AxisPiece])?

  public init(
    preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic, values: AxisMarkValues = .automatic,
    stroke: StrokeStyle? = nil
  ) {
    self.init(values: values, position: position, pieces: stroke.map { Self.standard(nil, $0) })
  }
  public init(
    preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic, values: [some Plottable],
    stroke: StrokeStyle? = nil
  ) {
    self.init(
      values: AxisMarkValues(kind: .list(values.map(\.asPlotted))), position: position,
      pieces: stroke.map { Self.standard(nil, $0) })
  }
  public init<F: FormatStyle & Sendable>(
    format: F, preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic,
    values: AxisMarkValues = .automatic, stroke: StrokeStyle? = nil
  ) where F.FormatOutput == String {
    let label = AxisValueLabel(format: format)._pieces
    self.init(values: values, position: position, pieces: Self.standard(label, stroke))
  }
  public init<F: FormatStyle & Sendable>(
    format: F, preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic,
    values: [some Plottable], stroke: StrokeStyle? = nil
  ) where F.FormatOutput == String {
    let label = AxisValueLabel(format: format)._pieces
    self.init(
      values: AxisMarkValues(kind: .list(values.map(\.asPlotted))), position: position,
      pieces: Self.standard(label, stroke))
  }
  public init(
    preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic, values: AxisMarkValues = .automatic,
    @AxisMarkBuilder content: @escaping (AxisValue) -> [AxisPiece]
  ) {
    self.init(values: values, position: position, pieces: content)
  }
  public init(
    preset: AxisMarkPreset = .automatic, position: AxisMarkPosition = .automatic, values: [some Plottable],
    @AxisMarkBuilder content: @escaping (AxisValue) -> [AxisPiece]
  ) {
    self.init(
      values: AxisMarkValues(kind: .list(values.map(\.asPlotted))), position: position, pieces: content)
  }

  private init(values: AxisMarkValues, position: AxisMarkPosition, pieces: ((AxisValue) -> [AxisPiece])?) {
    self.values = values
    self.position = position
    self.pieces = pieces
  }
  private static func standard(_ label: [AxisPiece]?, _ stroke: StrokeStyle?) -> (AxisValue) -> [AxisPiece] {
    let all = AxisGridLine(stroke: stroke)._pieces + (label ?? AxisValueLabel()._pieces)
    return { _ in all }
  }
}

@resultBuilder
public enum AxisContentBuilder {
  public static func buildExpression(_ marks: AxisMarks) -> [AxisMarks] { [marks] }
  public static func buildBlock(_ parts: [AxisMarks]...) -> [AxisMarks] { parts.flatMap { $0 } }
  public static func buildOptional(_ part: [AxisMarks]?) -> [AxisMarks] { part ?? [] }
  public static func buildEither(first part: [AxisMarks]) -> [AxisMarks] { part }
  public static func buildEither(second part: [AxisMarks]) -> [AxisMarks] { part }
}

/// All that was said of one axis.
struct AxisSpec {
  var visibility = Visibility.automatic
  var marks: [AxisMarks]?
  /// `nil`: what the values are labelled.
  var label: String?
  var domain = ScaleDomainValue()
  var type: ScaleType?
  var range = PlotDimensionScaleRange()
}
