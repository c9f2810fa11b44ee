import Synchronization

/// Cosines and sines of the rotary position embedding (Su et al. 2021, arXiv 2104.09864), by position and pair.
///
/// Frequencies and angles are rounded to F32 at the same places as the models' training code rounds them; the cosine of
/// that angle is then exact to F32.
package final class RotaryTable: Sendable {
  /// `[pairs]`, radians per position
  package let frequencies: [Float]
  /// Factor on cosine and sine (YaRN's attention factor; otherwise 1).
  package let magnitude: Float
  private let blocks = Mutex<[Int: Block]>([:])

  /// Cosines and sines of `positionsPerBlock` positions, `[position, pair]`.
  package struct Block: Sendable {
    package let cosine: FloatMatrix
    package let sine: FloatMatrix
  }
  package static let positionsPerBlock = 128

  package init(_ c: ModelConfiguration) {
    frequencies = Self.frequencies(c)
    if case .yarn(_, let attentionFactor, _, _, _) = c.ropeScaling {
      magnitude = attentionFactor
    } else {
      magnitude = 1
    }
  }

  /// Fills `cosine` and `sine`, both `[positions.count, pairs]`.
  package func fill(_ positions: [Int], cosine: FloatMatrix, sine: FloatMatrix) {
    for (row, position) in positions.enumerated() {
      let block = self.block(position / Self.positionsPerBlock)
      let at = position % Self.positionsPerBlock
      cosine.copyRows(at..<at + 1, of: block.cosine, to: row)
      sine.copyRows(at..<at + 1, of: block.sine, to: row)
    }
  }

  private func block(_ index: Int) -> Block {
    blocks.withLock { known in
      if let block = known[index] { return block }
      let pairs = frequencies.count
      let block = Block(
        cosine: FloatMatrix(rows: Self.positionsPerBlock, columns: pairs),
        sine: FloatMatrix(rows: Self.positionsPerBlock, columns: pairs))
      for row in 0..<Self.positionsPerBlock {
        let position = Float(index * Self.positionsPerBlock + row)
        let (cosine, sine) = (block.cosine.pointer(row: row), block.sine.pointer(row: row))
        for pair in 0..<pairs {
          let value = ReproducibleMath.cosineAndSine(Double(position * frequencies[pair]))
          cosine[pair] = Float(value.cosine) * magnitude
          sine[pair] = Float(value.sine) * magnitude
        }
      }
      known[index] = block
      return block
    }
  }

  /// `θᵢ = base^(−2i/d)`, then stretched as the scaling says.
  static func frequencies(_ c: ModelConfiguration) -> [Float] {
    let d = c.ropeDimension
    let plain = (0..<d / 2).map { i in
      1 / Float(ReproducibleMath.power(Double(c.ropeBase), Double(Float(2 * i) / Float(d))))
    }
    switch c.ropeScaling {
    case .none: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .factors(let factors): return zip(plain, factors).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let original):
      // Wavelengths beyond original/low are stretched, below original/high kept, between blended.
      return plain.map { f in
        let wavelength = 2 * Float.pi / f
        if wavelength > Float(original) / low { return f / factor }
        if wavelength < Float(original) / high { return f }
        let smooth = (Float(original) / wavelength - low) / (high - low)
        return (1 - smooth) * (f / factor) + smooth * f
      }
    case .yarn(let factor, _, let betaFast, let betaSlow, let original):
      // The pair that turns `beta` times within the original context.
      func pair(turns beta: Float) -> Double {
        Double(d) * ReproducibleMath.log(Double(original) / (Double(beta) * 2 * .pi))
          / (2 * ReproducibleMath.log(Double(c.ropeBase)))
      }
      let low = max(pair(turns: betaFast).rounded(.down), 0)
      var high = min(pair(turns: betaSlow).rounded(.up), Double(d - 1))
      if low == high { high += 0.001 }
      return plain.enumerated().map { i, f in
        let ramp = Float(min(max((Double(i) - low) / (high - low), 0), 1))
        return f / factor * ramp + f * (1 - ramp)
      }
    }
  }
}
