/// Means, spread, intervals and tests over repetitions. NaN in gives NaN out.
public enum Statistics {
  /// Arithmetic mean; NaN for no values.
  public static func mean(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return .nan }
    var sum = 0.0
    for value in values { sum += value }
    return sum / Double(values.count)
  }

  /// Sample standard deviation, `√(Σ(x − x̄)² / (n − 1))`; NaN for fewer than two values.
  public static func standardDeviation(_ values: [Double]) -> Double {
    guard values.count >= 2 else { return .nan }
    let centre = mean(values)
    var sum = 0.0
    for value in values { sum += (value - centre) * (value - centre) }
    return (sum / Double(values.count - 1)).squareRoot()
  }

  /// Quantile by linear interpolation between order statistics (R's type 7).
  /// - Parameters: `sorted`: ascending; `q`: 0…1
  public static func quantile(_ sorted: [Double], _ q: Double) -> Double {
    guard let last = sorted.last else { return .nan }
    let place = q * Double(sorted.count - 1)
    let below = Int(place.rounded(.down))
    guard below + 1 < sorted.count else { return last }
    return sorted[below] + (place - Double(below)) * (sorted[below + 1] - sorted[below])
  }

  /// Percentile bootstrap interval of the mean (Efron 1979): values are drawn with replacement, `resamples` times,
  /// and the middle `level` of the means is the interval.
  ///
  /// With one value the interval is that value alone; with few repetitions it is too narrow: read it as spread
  /// over repetitions.
  public static func bootstrapInterval(
    _ values: [Double], level: Double = 0.95, resamples: Int = 2000, using generator: inout SeededGenerator
  ) -> Interval {
    guard !values.isEmpty, !values.contains(where: \.isNaN) else { return Interval(lower: .nan, upper: .nan) }
    let means = (0..<max(resamples, 1)).map { _ in
      var sum = 0.0
      for _ in values.indices { sum += values[generator.index(below: values.count)] }
      return sum / Double(values.count)
    }.sorted()
    return Interval(lower: quantile(means, (1 - level) / 2), upper: quantile(means, (1 + level) / 2))
  }

  public struct Interval: Sendable, Equatable, Codable {
    public var lower: Double
    public var upper: Double
    public init(lower: Double, upper: Double) {
      self.lower = lower
      self.upper = upper
    }
  }

  /// Two-sided paired permutation test (Fisher 1935): how often would a mean difference at least this large arise
  /// if in each pair the two conditions could as well be exchanged? Exact up to 12 pairs, from 10,000 random
  /// exchanges above, counting the observed one.
  /// - Returns: p in 0…1 (never exactly 0); NaN for no pairs. With n pairs it cannot be below 2^(1−n).
  public static func pairedPermutationTest(
    _ a: [Double], _ b: [Double], using generator: inout SeededGenerator
  ) -> Double {
    precondition(a.count == b.count, "pairs")
    let differences = a.indices.map { a[$0] - b[$0] }
    guard !differences.isEmpty, !differences.contains(where: { !$0.isFinite }) else { return .nan }
    func total(_ isFlipped: (Int) -> Bool) -> Double {
      var sum = 0.0
      for (i, difference) in differences.enumerated() { sum += isFlipped(i) ? -difference : difference }
      return sum.magnitude
    }
    var scale = 0.0
    for difference in differences { scale += difference.magnitude }
    // Sums that differ only by rounding count as equal.
    let observed = total { _ in false } - scale * 1e-12
    if differences.count <= 12 {
      let all = 1 << differences.count
      let extreme = (0..<all).count { pattern in total { pattern >> $0 & 1 == 1 } >= observed }
      return Double(extreme) / Double(all)
    }
    let draws = 10_000
    var extreme = 1
    for _ in 0..<draws {
      let flips = differences.map { _ in generator.next() >> 63 == 1 }
      if total({ flips[$0] }) >= observed { extreme += 1 }
    }
    return Double(extreme) / Double(draws + 1)
  }

  /// A quantity over repetitions: mean, standard deviation and bootstrap 95 % interval.
  public struct Summary: Sendable, Equatable, Codable {
    public var mean: Double
    /// NaN for one value.
    public var standardDeviation: Double
    public var interval: Interval
    public var count: Int

    /// Draws come from a stream of their own, so that a summary depends on `values` and `seed` alone.
    public init(_ values: [Double], seed: UInt64) {
      var generator = SeededGenerator(seed: seed, stream: "bootstrap")
      mean = Statistics.mean(values)
      standardDeviation = Statistics.standardDeviation(values)
      interval = Statistics.bootstrapInterval(values, using: &generator)
      count = values.count
    }
  }
}
