extension SeededGenerator {
  /// Independent standard normal values (Marsaglia's polar method), with bits that don't depend on the machine.
  package mutating func normals(_ count: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(count + 1)
    while result.count < count {
      let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
      let square = x * x + y * y
      guard square > 0, square < 1 else { continue }
      let scale = (-2 * ReproducibleMath.log(square) / square).squareRoot()
      result.append(Float(x * scale))
      result.append(Float(y * scale))
    }
    return Array(result.prefix(count))
  }
}
