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

  /// A mean with half of its 95 % interval: `0.712 ± 0.031`; the mean alone where there is no interval.
  static func spread(_ summary: Statistics.Summary) -> String { spread(summary, scale: 1, decimals: 3) }

  /// The same of a share: `71.2 ± 3.1 %`.
  static func percentSpread(_ summary: Statistics.Summary) -> String {
    summary.mean.isNaN ? "undefined" : spread(summary, scale: 100, decimals: 1) + " %"
  }

  private static func spread(_ summary: Statistics.Summary, scale: Double, decimals: Int) -> String {
    let half = (summary.interval.upper - summary.interval.lower) / 2
    return fixed(summary.mean * scale, decimals) + (half.isNaN ? "" : " ± " + fixed(half * scale, decimals))
  }

  /// A share as per cent: `86.5 %`.
  static func percent(_ share: Double) -> String { share.isNaN ? "undefined" : fixed(share * 100, 1) + " %" }

  /// A p value: three decimals, never "0.000".
  static func p(_ value: Double) -> String {
    value.isNaN ? "undefined" : (value < 0.001 ? "< 0.001" : fixed(value, 3))
  }
}
