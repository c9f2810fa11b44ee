/// Logarithm and exponential whose bits are the same on every machine: built from the exactly rounded operations
/// alone, where the C library's may differ between processors and releases.
package enum PortableMath {
  private static let ln2High = 6.93147180369123816490e-01
  private static let ln2Low = 1.90821492927058770002e-10

  /// Natural logarithm; relative error below 1e-15. `-inf` at 0, NaN below.
  package static func log(_ x: Double) -> Double {
    guard x > 0 else { return x == 0 ? -.infinity : .nan }
    guard x.isFinite else { return x }
    var exponent = Int(x.exponent)
    var m = x.significand
    if m > 1.4142135623730951 {
      m /= 2
      exponent += 1
    }
    // log m = 2 artanh s with |s| ≤ 0.1716: the term in s^27 is below 1e-21.
    let s = (m - 1) / (m + 1)
    let s2 = s * s
    var sum = 0.0
    for k in stride(from: 25, through: 1, by: -2) { sum = sum * s2 + 1 / Double(k) }
    let e = Double(exponent)
    return e * ln2High + (2 * s * sum + e * ln2Low)
  }

  /// `e^x`; relative error below 1e-15. 0 far below, `inf` far above.
  package static func exp(_ x: Double) -> Double {
    guard !x.isNaN else { return x }
    if x > 709.8 { return .infinity }
    if x < -745.2 { return 0 }
    let k = (x * 1.4426950408889634).rounded()
    let r = (x - k * ln2High) - k * ln2Low
    // |r| ≤ 0.347: the term in r^15 is below 1e-19.
    var sum = 1.0
    for i in stride(from: 14, through: 1, by: -1) { sum = 1 + r / Double(i) * sum }
    // In two steps: 2^k alone may be below the smallest normal number.
    let half = Int(k) / 2
    return sum * Double(sign: .plus, exponent: half, significand: 1)
      * Double(sign: .plus, exponent: Int(k) - half, significand: 1)
  }
}
