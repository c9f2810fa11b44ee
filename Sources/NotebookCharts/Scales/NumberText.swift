/// Numbers as charts write them: without the reader's locale, so that the bytes are the same everywhere.
package enum NumberText {
  /// With `decimals` digits after the point, thousands apart; a minus sign, not a hyphen.
  static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "undefined" : (value < 0 ? "−∞" : "∞") }
    let factor = power(10, max(decimals, 0))
    let scaled = (value * factor).rounded()
    guard scaled.magnitude < 1e15 else { return scientific(value) }
    let digits = String(Int(scaled.magnitude))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let whole = grouped(String(padded.dropLast(max(decimals, 0))))
    let text = decimals <= 0 ? whole : "\(whole).\(padded.suffix(decimals))"
    return (scaled < 0 ? "−" : "") + text
  }

  /// At most four digits that count, no zeros at the end.
  static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return fixed(value, 0) }
    let size = exponent(value)
    if size >= 7 || size < -4 { return scientific(value) }
    return trimmed(fixed(value, max(0, 3 - size)))
  }

  /// `1.5e8`, with at most three digits that count.
  static func scientific(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return fixed(value, 0) }
    var size = exponent(value)
    var mantissa = scaled(value, -size)
    if (mantissa.magnitude * 100).rounded() >= 1000 {
      size += 1
      mantissa = scaled(value, -size)
    }
    return trimmed(fixed(mantissa, 2)) + "e" + (size < 0 ? "−" : "") + String(size.magnitude)
  }

  /// The labels of an axis' values: all with the same number of digits after the point.
  package static func ticks(_ values: [Double]) -> [String] {
    let sizes = values.filter { $0 != 0 && $0.isFinite }.map { exponent($0) }
    guard let greatest = sizes.max() else { return values.map { fixed($0, 0) } }
    if greatest >= 7 || greatest < -4 { return values.map { $0 == 0 ? "0" : scientific($0) } }
    var decimals = 0
    while decimals < 9, values.contains(where: { !isWhole($0 * power(10, decimals)) }) { decimals += 1 }
    return values.map { fixed($0, decimals) }
  }

  /// Each in its own shortest form: for logarithmic axes.
  static func logTick(_ value: Double) -> String {
    let size = exponent(value)
    return size >= 6 || size < -3 ? scientific(value) : short(value)
  }

  private static func isWhole(_ value: Double) -> Bool {
    (value - value.rounded()).magnitude <= max(value.magnitude, 1) * 1e-9
  }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text
  }

  private static func grouped(_ digits: String) -> String {
    guard digits.count > 4 else { return digits }
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result += "," }
      result.append(digit)
    }
    return result
  }

  /// The power of ten of the first digit that counts.
  static func exponent(_ value: Double) -> Int {
    let size = value.magnitude
    guard size.isFinite, size > 0 else { return 0 }
    var exponent = 0
    // By whole steps, not by a logarithm, which differs between machines at powers of ten.
    if size >= 1 {
      while exponent < 308, size >= power(10, exponent + 1) { exponent += 1 }
    } else {
      while exponent > -323, scaled(size, -exponent) < 1 { exponent -= 1 }
    }
    return exponent
  }

  static func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<max(exponent, 0) { result *= base }
    return result
  }

  /// `value` times ten to the power `exponent`.
  static func scaled(_ value: Double, _ exponent: Int) -> Double {
    if exponent >= 0 {
      return exponent > 300 ? value * power(10, 300) * power(10, exponent - 300) : value * power(10, exponent)
    }
    return exponent < -300 ? value / power(10, 300) / power(10, -exponent - 300) : value / power(10, -exponent)
  }
}
