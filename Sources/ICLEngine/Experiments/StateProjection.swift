/// The states of all conditions in the plane in which they differ most: the first two principal components
/// (Pearson 1901) of the last block's last-token states, from the first repetition.
public struct StateProjection: Sendable, Equatable, Codable {
  public struct Point: Sendable, Equatable, Codable {
    public var x: Double
    public var y: Double
  }
  /// One point per query, in the order of the queries.
  public var points: [Condition: [Point]]
  /// Share of the variance that each of the two components holds, 0…1.
  public var explained: [Double]

  /// - Parameter states: `[query][D]` of each condition
  package init(_ states: [Condition: [[Float]]]) {
    let conditions = Condition.allCases.filter { states[$0] != nil }
    let rows = conditions.flatMap { states[$0] ?? [] }
    let n = rows.count
    let width = rows.first?.count ?? 0
    var mean = [Double](repeating: 0, count: width)
    for row in rows { for j in 0..<width { mean[j] += Double(row[j]) / Double(n) } }
    let centred = rows.map { row in (0..<width).map { Double(row[$0]) - mean[$0] } }
    // Coordinates along a component are the eigenvectors of the Gram matrix times the root of their eigenvalue.
    var gram = centred.map { a in centred.map { b in Self.dot(a, b) } }
    let total = gram.indices.reduce(0.0) { sum, i in sum + gram[i][i] }
    var coordinates: [[Double]] = []
    explained = []
    for _ in 0..<2 {
      let (value, vector) = Self.largestEigenpair(gram)
      coordinates.append(vector.map { $0 * max(value, 0).squareRoot() })
      explained.append(total > 0 ? value / total : 0)
      for i in 0..<n { for j in 0..<n { gram[i][j] -= value * vector[i] * vector[j] } }
    }
    points = [:]
    var next = 0
    for condition in conditions {
      let count = states[condition]?.count ?? 0
      points[condition] = (next..<next + count).map { Point(x: coordinates[0][$0], y: coordinates[1][$0]) }
      next += count
    }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
  }

  /// Power iteration from a fixed start, 300 steps: enough for a picture, and the same bits every time. The
  /// component of largest magnitude is positive.
  private static func largestEigenpair(_ matrix: [[Double]]) -> (value: Double, vector: [Double]) {
    let n = matrix.count
    var vector: [Double] = (0..<n).map { (i: Int) -> Double in Double(10 + i % 7 - 2 * (i % 3)) }
    var value = 0.0
    for _ in 0..<300 {
      let product = matrix.map { dot($0, vector) }
      let norm = dot(product, product).squareRoot()
      guard norm > 0, norm.isFinite else { return (0, [Double](repeating: 0, count: n)) }
      value = norm
      vector = product.map { $0 / norm }
    }
    let peak = vector.max { $0.magnitude < $1.magnitude } ?? 1
    // From the second step on the vector has length 1, so the last norm is the eigenvalue.
    return (value, peak < 0 ? vector.map { -$0 } : vector)
  }
}
