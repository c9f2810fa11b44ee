import Foundation

/// The few statistics that quick forms draw.
enum Numbers {
  /// Names in the order in which people count: "layer 2" before "layer 10".
  static func precedes(_ one: String, _ other: String) -> Bool {
    func parts(_ name: String) -> [(text: Substring, number: Double?)] {
      var result: [(Substring, Double?)] = []
      var rest = name[...]
      while let first = rest.first {
        let isDigit = first.isASCII && first.isNumber
        let part = rest.prefix { ($0.isASCII && $0.isNumber) == isDigit }
        result.append((part, isDigit ? Double(part) : nil))
        rest = rest[part.endIndex...]
      }
      return result
    }
    for (a, b) in zip(parts(one), parts(other)) where a.text != b.text {
      if let first = a.number, let second = b.number, first != second { return first < second }
      return a.text < b.text
    }
    return one < other
  }

  /// The value below which `share` of the sorted values lie, by linear interpolation between ranks.
  static func quantile(_ sorted: [Double], _ share: Double) -> Double {
    guard let first = sorted.first else { return .nan }
    let place = share * Double(sorted.count - 1)
    let index = Int(place)
    guard index + 1 < sorted.count else { return sorted.last ?? first }
    return sorted[index] + (sorted[index + 1] - sorted[index]) * (place - Double(index))
  }

  /// A bin width after Freedman and Diaconis (1981), as a number of bins 1…200; by Sturges' rule where the middle half
  /// of the values are equal.
  static func binCount(_ sorted: [Double]) -> Int {
    guard let low = sorted.first, let high = sorted.last, high > low else { return 1 }
    let spread = quantile(sorted, 0.75) - quantile(sorted, 0.25)
    let count = Double(sorted.count)
    let sturges = (log2(count) + 1).rounded(.up)
    guard spread > 0 else { return Int(min(max(sturges, 1), 200)) }
    let width = 2 * spread / cbrt(count)
    return Int(min(max(((high - low) / width).rounded(.up), 1), 200))
  }

  /// Edges at round numbers, about `count` bins.
  static func edges(_ low: Double, _ high: Double, count: Int) -> [Double] {
    guard high > low else {
      let half = low == 0 ? 0.5 : low.magnitude / 2
      return [low - half, low + half]
    }
    let step = Scale.step(low, high, max(count, 1) + 1)
    let first = (low / step + 1e-9).rounded(.down)
    let last = max((high / step - 1e-9).rounded(.up), first + 1)
    guard last - first < 2000 else { return [low, high] }
    return Scale.multiples(of: step, first * step, last * step)
  }

  /// A density by a Gaussian kernel with Silverman's (1986) width, at `points` places that reach beyond the values.
  static func density(_ sorted: [Double], points: Int) -> [(at: Double, density: Double)] {
    guard let low = sorted.first, let high = sorted.last, sorted.count > 1, high > low else {
      return sorted.first.map { [($0, 1)] } ?? []
    }
    let count = Double(sorted.count)
    let mean = sorted.reduce(0, +) / count
    let deviation = (sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)).squareRoot()
    let spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34
    let size = spread > 0 ? min(deviation, spread) : deviation
    let width = max(0.9 * size / pow(count, 0.2), (high - low) / 1000)
    // Of many values, evenly spaced ranks give the same curve.
    let sample = Lines.everyFew(sorted, 2000)
    let (from, to) = (low - 2 * width, high + 2 * width)
    return (0..<points).map { index in
      let place = from + (to - from) * Double(index) / Double(points - 1)
      let sum = sample.reduce(0) { total, value in
        let distance = (place - value) / width
        return distance.magnitude > 6 ? total : total + exp(-0.5 * distance * distance)
      }
      return (place, sum / (Double(sample.count) * width * 2.5066282746310002))
    }
  }
}
