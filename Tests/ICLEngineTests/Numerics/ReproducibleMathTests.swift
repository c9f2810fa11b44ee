import ICLEngine
import Testing

@Suite struct ReproducibleMathTests {
  /// Of every size, and the special ones; more than whole vectors.
  private static let values: [Double] = {
    var generator = SeededGenerator(seed: 3)
    var values: [Double] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, 709.6, 709.7, 710, -745, -745.1, -708.5, -740, 2.0.squareRoot(),
      2.0.squareRoot().nextUp, .leastNonzeroMagnitude, .leastNormalMagnitude, .leastNormalMagnitude.nextDown,
      .greatestFiniteMagnitude, 1.0.nextDown, 1.0.nextUp, .leastNormalMagnitude / 128,
    ]
    for _ in 0..<2000 {
      values.append((generator.uniform() - 0.5) * 1500)
      values.append(generator.uniform())
      let bits = Double(bitPattern: generator.next())
      values.append(bits.isNaN ? 0.3 : bits.magnitude)
    }
    return values
  }()

  private static func same(_ a: [Double], _ b: [Double]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
  }

  @Test func `many exponentials and logarithms have the bits of single ones`() {
    for count in [Self.values.count, 8, 7, 1, 0] {
      let values = Array(Self.values.prefix(count))
      var exponentials = values
      ReproducibleMath.exp(&exponentials)
      #expect(Self.same(exponentials, values.map { ReproducibleMath.exp($0) }))
      #expect(Self.same(ReproducibleMath.logarithms(values), values.map { ReproducibleMath.log($0) }))
    }
  }
}
