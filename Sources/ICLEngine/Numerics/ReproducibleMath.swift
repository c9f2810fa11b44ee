internal import CQuantKernels

/// Elementary functions of our own, made only of operations that IEEE 754 rounds correctly: the C library's differ
/// between its versions and between processors, and a notebook's numbers must not.
package enum ReproducibleMath {
  /// `eˣ`; relative error below 2⁻⁵⁰ where the result is a normal number.
  package static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x > 709.7 { return .infinity }
    if x < -745 { return 0 }
    let count = (x * 1.442_695_040_888_963_4).rounded(.toNearestOrEven)
    // ln 2 in two parts, so that the rest is exact to double's precision.
    let r = x.addingProduct(-count, 0x1.62e42fefa39efp-1).addingProduct(-count, 0x1.abc9e3b39803fp-56)
    var sum = 1.0
    var k = 16.0
    while k >= 1 {
      sum = 1 + sum * (r / k)
      k -= 1
    }
    let n = Int(count)
    let half = n / 2
    return sum * power2(half) * power2(n - half)
  }

  /// `2ⁿ` for `n` within the normal exponents.
  private static func power2(_ n: Int) -> Double { Double(bitPattern: UInt64(n + 1023) << 52) }

  /// Natural logarithm of a positive number; relative error below 2⁻⁵⁰ except near 1, where it is absolute.
  package static func log(_ x: Double) -> Double {
    guard x > 0, x.isFinite else { return x == 0 ? -.infinity : x > 0 ? x : .nan }
    // Swift gives a subnormal number its true exponent.
    var exponent = Double(x.exponent)
    var m = x.significand
    if m > 1.414_213_562_373_095_1 {
      m /= 2
      exponent += 1
    }
    // ln m = 2·artanh(s), s = (m − 1)/(m + 1), |s| ≤ 0.172
    let s = (m - 1) / (m + 1)
    let s2 = s * s
    var sum = 0.0
    var k = 25.0
    while k >= 1 {
      sum = sum * s2 + 1 / k
      k -= 2
    }
    return (exponent * 0x1.abc9e3b39803fp-56).addingProduct(exponent, 0x1.62e42fefa39efp-1) + 2 * s * sum
  }

  /// ``exp(_:)`` of each, several at a time, with the same bits.
  package static func exp(_ values: inout [Double]) { cqk_t_exp_f64(&values, values.count) }

  /// ``log(_:)`` of each, several at a time, with the same bits.
  package static func logarithms(_ values: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: values.count)
    cqk_t_log_f64(values, &result, values.count)
    return result
  }

  /// `baseʸ` for a positive base.
  package static func power(_ base: Double, _ y: Double) -> Double { exp(y * log(base)) }

  /// Cosine and sine of an angle of at most about 10⁷ radians; absolute error below 2⁻⁵⁰.
  package static func cosineAndSine(_ angle: Double) -> (cosine: Double, sine: Double) {
    guard angle.isFinite, angle.magnitude < 0x1p30 else { return (.nan, .nan) }
    let quarter = (angle * 0.636_619_772_367_581_4).rounded(.toNearestOrEven)
    // π/2 in two parts, 106 bits together.
    let r = angle.addingProduct(-quarter, 0x1.921fb54442d18p+0).addingProduct(-quarter, 0x1.1a62633145c07p-54)
    let r2 = r * r
    var c = 1.0
    var s = 1.0
    var k = 18.0
    while k >= 2 {
      c = 1 - c * r2 / (k * (k - 1))
      s = 1 - s * r2 / (k * (k + 1))
      k -= 2
    }
    s *= r
    return switch Int(quarter) & 3 {
    case 0: (c, s)
    case 1: (-s, c)
    case 2: (-c, -s)
    default: (s, -c)
    }
  }
}
