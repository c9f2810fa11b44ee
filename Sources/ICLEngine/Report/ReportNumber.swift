/// Numbers as reports write them, without the reader's locale.
package enum ReportNumber {
  /// With `decimals` digits after the point, rounded to nearest; "undefined" for NaN. A minus sign, not a hyphen, and
  /// none before zero.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "undefined" : (value < 0 ? "−∞" : "∞") }
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    let scaled = (value * factor).rounded()
    guard scaled.magnitude < 1e15 else { return "\(value)" }
    let digits = String(Int(scaled.magnitude))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let text = decimals == 0 ? padded : "\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    return (scaled < 0 ? "−" : "") + text
  }

  /// An interval: `0.712 … 0.820`.
  static func interval(_ interval: Statistics.Interval, _ decimals: Int = 3) -> String {
    interval.lower.isNaN
      ? "undefined" : "\(fixed(interval.lower, decimals)) … \(fixed(interval.upper, decimals))"
  }

  /// A share as per cent: `86.5 %`.
  static func percent(_ share: Double) -> String { share.isNaN ? "undefined" : fixed(share * 100, 1) + " %" }

  /// A p value: three decimals, never "0.000".
  static func p(_ value: Double) -> String {
    value.isNaN ? "undefined" : (value < 0.001 ? "< 0.001" : fixed(value, 3))
  }
}
