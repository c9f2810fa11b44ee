public import Foundation

/// A value that a chart can place on an axis or give a colour: a number, a date, or a text that names a category.
///
/// Types of your own conform by saying which of those stands for them. An enumeration with raw values needs no more
/// than the conformance: `enum City: String, Plottable { case oslo, cairo }`.
public protocol Plottable {
  associatedtype PrimitivePlottable: PrimitivePlottableProtocol
  /// What is placed instead of the value.
  var primitivePlottable: PrimitivePlottable { get }
  init?(primitivePlottable: PrimitivePlottable)
}

/// Numbers, texts and dates: what a chart places itself.
public protocol PrimitivePlottableProtocol {
  var plottedValue: PlottedValue { get }
}

/// A value as a chart places it.
public enum PlottedValue: Hashable, Sendable, PrimitivePlottableProtocol {
  case number(Double)
  /// Seconds since 1970-01-01 00:00 UTC.
  case date(Double)
  case category(String)
  /// `nil`: a gap.
  case missing

  public var plottedValue: PlottedValue { self }

  /// The number or the seconds; `nil` for what has no finite place.
  var place: Double? {
    switch self {
    case .number(let value), .date(let value): value.isFinite ? value : nil
    case .category, .missing: nil
    }
  }

  /// Whether it can be drawn on some axis.
  var isPlaceable: Bool {
    if case .category = self { return true }
    return place != nil
  }

  var isCategory: Bool {
    if case .category = self { return true }
    return false
  }

  var isDate: Bool {
    if case .date = self { return true }
    return false
  }

  /// As legends and tables write it; empty for a gap.
  var text: String {
    switch self {
    case .number(let value): NumberText.short(value)
    case .date(let seconds): DateText.full(seconds)
    case .category(let name): name
    case .missing: ""
    }
  }
}

extension Plottable {
  var asPlotted: PlottedValue { primitivePlottable.plottedValue }
}

extension Plottable where Self: RawRepresentable, RawValue: Plottable {
  public var primitivePlottable: RawValue.PrimitivePlottable { rawValue.primitivePlottable }
  public init?(primitivePlottable: RawValue.PrimitivePlottable) {
    guard let raw = RawValue(primitivePlottable: primitivePlottable) else { return nil }
    self.init(rawValue: raw)
  }
}

extension Plottable where PrimitivePlottable == Self {
  public var primitivePlottable: Self { self }
  public init?(primitivePlottable: Self) { self = primitivePlottable }
}

extension PrimitivePlottableProtocol where Self: BinaryInteger {
  public var plottedValue: PlottedValue { .number(Double(self)) }
}
extension PrimitivePlottableProtocol where Self: BinaryFloatingPoint {
  public var plottedValue: PlottedValue { .number(Double(self)) }
}

extension Int: Plottable, PrimitivePlottableProtocol {}
extension Int8: Plottable, PrimitivePlottableProtocol {}
extension Int16: Plottable, PrimitivePlottableProtocol {}
extension Int32: Plottable, PrimitivePlottableProtocol {}
extension Int64: Plottable, PrimitivePlottableProtocol {}
extension UInt: Plottable, PrimitivePlottableProtocol {}
extension UInt8: Plottable, PrimitivePlottableProtocol {}
extension UInt16: Plottable, PrimitivePlottableProtocol {}
extension UInt32: Plottable, PrimitivePlottableProtocol {}
extension UInt64: Plottable, PrimitivePlottableProtocol {}
extension Double: Plottable, PrimitivePlottableProtocol {}
extension Float: Plottable, PrimitivePlottableProtocol {}
extension CGFloat: Plottable, PrimitivePlottableProtocol {}
#if arch(arm64)
  extension Float16: Plottable, PrimitivePlottableProtocol {}
#endif

extension String: Plottable, PrimitivePlottableProtocol {
  public var plottedValue: PlottedValue { .category(self) }
}
extension Substring: Plottable {
  public var primitivePlottable: String { String(self) }
  public init(primitivePlottable: String) { self = Substring(primitivePlottable) }
}
extension Character: Plottable {
  public var primitivePlottable: String { String(self) }
  public init?(primitivePlottable: String) {
    guard primitivePlottable.count == 1, let first = primitivePlottable.first else { return nil }
    self = first
  }
}
extension Bool: Plottable {
  public var primitivePlottable: String { self ? "true" : "false" }
  public init?(primitivePlottable: String) {
    guard let value = Bool(primitivePlottable) else { return nil }
    self = value
  }
}
extension Date: Plottable, PrimitivePlottableProtocol {
  public var plottedValue: PlottedValue { .date(timeIntervalSince1970) }
}
extension Decimal: Plottable {
  public var primitivePlottable: Double { NSDecimalNumber(decimal: self).doubleValue }
  public init?(primitivePlottable: Double) { self.init(primitivePlottable) }
}
extension Optional: Plottable where Wrapped: Plottable {
  public var primitivePlottable: PlottedValue { self?.primitivePlottable.plottedValue ?? .missing }
  public init?(primitivePlottable: PlottedValue) { return nil }
}

/// A label and a value, made with `.value("layer", $0.layer)`. The label names the axis or the legend.
public struct PlottableValue<Value: Plottable>: Sendable {
  let field: Field
  init(_ field: Field) { self.field = field }

  /// `label` names the axis, the legend and the column of the chart's table.
  public static func value(_ label: String, _ value: Value) -> PlottableValue {
    PlottableValue(Field(label: label, value: value.asPlotted))
  }

  /// The values from one end of `range` to the other: a bar or rectangle as wide as that.
  public static func value(_ label: String, _ range: ChartBinRange<Value>) -> PlottableValue {
    PlottableValue(
      Field(label: label, value: range.lowerBound.asPlotted, end: range.upperBound.asPlotted))
  }

  public static func value(_ label: String, _ range: Range<Value>) -> PlottableValue where Value: Comparable {
    value(label, ChartBinRange(lowerBound: range.lowerBound, upperBound: range.upperBound))
  }
}

extension PlottableValue where Value == Date {
  /// The day, month or other `unit` (of UTC) that `date` lies in: bars are as wide as the unit.
  public static func value(_ label: String, _ date: Date, unit: Calendar.Component) -> PlottableValue {
    let span = CalendarUnit(unit)?.span(around: date.timeIntervalSince1970)
    return PlottableValue(
      Field(
        label: label, value: .date(span?.start ?? date.timeIntervalSince1970), end: span.map { .date($0.end) }))
  }
}

/// From one value to another, the upper one excluded.
public struct ChartBinRange<Bound: Plottable> {
  public let lowerBound: Bound
  public let upperBound: Bound
  public init(lowerBound: Bound, upperBound: Bound) {
    self.lowerBound = lowerBound
    self.upperBound = upperBound
  }
}

/// One labelled value of a mark.
struct Field: Sendable, Hashable {
  var label: String
  var value: PlottedValue
  /// Of a bin: its upper end.
  var end: PlottedValue?

  init(label: String, value: PlottedValue, end: PlottedValue? = nil) {
    self.label = label
    self.value = value
    self.end = end
  }
}
