/// Keys and values of some consecutive positions of one token sequence, in every layer: a link in the chain from a
/// prompt's first token to its last. Chains share their links where prompts share their beginnings.
///
/// Unchecked Sendable: rows are written once, by the forward pass that computes them; a segment is shared with other
/// passes only afterwards, and what is written is never changed.
package final class KeyValueSegment: @unchecked Sendable {
  /// Position of row 0.
  package let start: Int
  package let capacity: Int
  /// Rows that are valid. Grows only while one decoding session owns the segment.
  package internal(set) var count = 0
  /// One matrix `[capacity, K·E]` per layer that is computed; keys are stored rotated.
  let keys: [FloatMatrix]
  let values: [FloatMatrix]

  /// - Parameters:
  ///   - layers: how many layers, from the first, have room; `nil` for all
  ///   - passing: whether a layer's keys and values are of use only until the next layer is computed, which then takes
  ///     their room: for a pass in which all rows go through the layers together and that nothing continues from
  package init(
    start: Int, capacity: Int, configuration c: ModelConfiguration, layers: Int? = nil, passing: Bool = false
  ) {
    self.start = start
    self.capacity = capacity
    let layers = layers ?? c.layerCount
    func matrices() -> [FloatMatrix] {
      func matrix() -> FloatMatrix { FloatMatrix(rows: capacity, columns: c.keyValueWidth) }
      return passing ? Array(repeating: matrix(), count: layers) : (0..<layers).map { _ in matrix() }
    }
    keys = matrices()
    values = matrices()
  }

  package var byteCount: Int { 2 * keys.count * capacity * (keys.first?.columns ?? 0) * 4 }
}

/// The first `count` rows of a segment, as part of a chain.
package struct KeyValueLink: Sendable {
  package let segment: KeyValueSegment
  package let count: Int
  package init(segment: KeyValueSegment, count: Int) {
    self.segment = segment
    self.count = count
  }
}

/// Consecutive new tokens of one sequence in a forward pass.
struct TokenRun {
  let tokens: [Int]
  /// Position of the first token.
  let start: Int
  /// All positions before `start`, in order.
  let path: [KeyValueLink]
  /// Where the new keys and values go, from row `offset` on.
  let segment: KeyValueSegment
  let offset: Int
}
