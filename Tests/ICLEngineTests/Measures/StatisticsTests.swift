import ICLEngine
import Testing

@Suite struct `Statistics on cases with known answers` {
  @Test func `mean and standard deviation`() {
    #expect(Statistics.mean([1, 2, 6]) == 3)
    #expect(Statistics.mean([]).isNaN)
    // Σ(x − 3)² = 4 + 1 + 9 = 14 over n − 1 = 2.
    #expect(near(Statistics.standardDeviation([1, 2, 6]), 7.0.squareRoot()))
    #expect(Statistics.standardDeviation([1]).isNaN)
  }

  @Test func `quantiles interpolate`() {
    #expect(Statistics.quantile([0, 10], 0.25) == 2.5)
    #expect(Statistics.quantile([0, 1, 2, 3, 4], 1) == 4)
    #expect(Statistics.quantile([], 0.5).isNaN)
  }

  @Test func `a bootstrap interval holds the mean, repeats with its seed and depends on it`() {
    let values = (0..<30).map { Double($0 * 7 % 30) }
    func interval(_ seed: UInt64) -> Statistics.Interval {
      var generator = SeededGenerator(seed: seed)
      return Statistics.bootstrapInterval(values, using: &generator)
    }
    let one = interval(1)
    #expect(one == interval(1))
    #expect(one != interval(2))
    // Standard error of the mean is 8.8/√30 = 1.6: the interval is about 14.5 ± 3.1, and the bootstrap's own
    // scatter with 2,000 resamples is below 0.3.
    #expect(near(one.lower, 14.5 - 3.1, 0.5))
    #expect(near(one.upper, 14.5 + 3.1, 0.5))
  }

  @Test func `an interval of one value is that value, of NaN is NaN`() {
    var generator = SeededGenerator(seed: 1)
    let one = Statistics.bootstrapInterval([4], using: &generator)
    #expect(one == Statistics.Interval(lower: 4, upper: 4))
    #expect(Statistics.bootstrapInterval([1, .nan], using: &generator).lower.isNaN)
  }

  @Test func `a paired test of few pairs is exact`() {
    var generator = SeededGenerator(seed: 1)
    // All three differences have one sign: 2 of the 8 sign patterns are as extreme.
    #expect(Statistics.pairedPermutationTest([2, 3, 4], [1, 1, 1], using: &generator) == 0.25)
    #expect(Statistics.pairedPermutationTest([1, 1], [1, 1], using: &generator) == 1)
    #expect(Statistics.pairedPermutationTest([], [], using: &generator).isNaN)
    #expect(Statistics.pairedPermutationTest([.nan], [1], using: &generator).isNaN)
  }

  @Test func `a paired test of many pairs tells a difference from none`() {
    var generator = SeededGenerator(seed: 3)
    let a = (0..<40).map { Double($0 % 7) }
    let shifted = a.map { $0 + 0.5 + Double(Int($0) % 2) * 0.1 }
    #expect(Statistics.pairedPermutationTest(a, shifted, using: &generator) == 1.0 / 10_001)
    let alternating = a.indices.map { a[$0] + ($0.isMultiple(of: 2) ? 0.5 : -0.5) }
    #expect(Statistics.pairedPermutationTest(a, alternating, using: &generator) == 1)
  }
}
