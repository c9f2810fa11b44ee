internal import CQuantKernels

/// Room for the loss of a chunk of rows: the logits of a whole batch never exist.
final class LossScratch {
  /// Rows whose logits are there at the same time: 8 million floats' worth, in whole groups of rows as products take
  /// them. Each chunk unpacks the output matrix anew.
  let chunk: Int
  /// Final states of the rows that count, before and after the norm, and the gradients of both, `[chunk, D]`.
  let chosen: FloatMatrix
  let normed: FloatMatrix
  let dNormed: FloatMatrix
  let dChosen: FloatMatrix
  let scale: FloatMatrix
  /// `[chunk, V]`
  let logits: FloatMatrix
  let sums: FloatMatrix
  let margins: FloatMatrix

  /// - Parameter targets: how many rows count in the largest batch
  init(_ c: ModelConfiguration, targets: Int) {
    let chunk = min(Self.largestChunk(c), targets)
    self.chunk = chunk
    func matrix(_ columns: Int) -> FloatMatrix { FloatMatrix(rows: chunk, columns: columns) }
    chosen = matrix(c.hiddenSize)
    normed = matrix(c.hiddenSize)
    dNormed = matrix(c.hiddenSize)
    dChosen = matrix(c.hiddenSize)
    scale = FloatMatrix(rows: 1, columns: chunk)
    logits = matrix(c.vocabularySize)
    sums = FloatMatrix(rows: 1, columns: chunk)
    margins = FloatMatrix(rows: 1, columns: chunk)
  }

  /// Whether there is room for so many rows that count.
  func suffices(for targets: Int, _ c: ModelConfiguration) -> Bool { chunk >= min(Self.largestChunk(c), targets) }

  private static func largestChunk(_ c: ModelConfiguration) -> Int {
    max(16, min(2048, (1 << 23) / c.vocabularySize / 32 * 32))
  }
}

extension TrainingPass {
  /// Cross-entropy of each tuning's rows that count, summed with their weights. With `backward` it also leaves the
  /// gradient of `sum / totalWeight` in `space.dx` and adds those of output and final norm.
  /// - Throws: `interrupted`
  func lossAndGradient(totalWeights: [Double], backward: Bool) throws(EngineError) -> [Double] {
    let (d, v) = (c.hiddenSize, c.vocabularySize)
    let last = space.last
    if backward { space.dx.pointer().update(repeating: 0, count: rowCount * d) }
    let output = network.outputOrTied
    var tokens: [Int32] = []
    var weights: [Float] = []
    var all = [Double](repeating: 0, count: totalWeights.count)
    for first in stride(from: 0, to: batch.targets.count, by: loss.chunk) {
      try Interruption.check()
      let part = batch.targets[first..<min(first + loss.chunk, batch.targets.count)]
      let n = part.count
      tokens.removeAll(keepingCapacity: true)
      weights.removeAll(keepingCapacity: true)
      for (i, target) in part.enumerated() {
        loss.chosen.copyRows(target.row..<target.row + 1, of: last, to: i)
        tokens.append(target.token)
        weights.append(Float(Double(target.weight) / totalWeights[target.member]))
      }
      norm(loss.chosen, network.finalNorm, into: loss.normed, scale: loss.scale, rows: n)
      products.map([(output, loss.logits)], loss.normed, t: n)
      pool.split(n, worth: n * v * 24) { range in
        cqk_t_cross_entropy(
          loss.logits.pointer(row: range.lowerBound), range.count, v,
          Array(tokens[range]), Array(weights[range]), loss.sums.pointer(column: range.lowerBound),
          loss.margins.pointer(column: range.lowerBound))
      }
      let (sums, margins) = (loss.sums.pointer(), loss.margins.pointer())
      for (i, target) in part.enumerated() {
        all[target.member] += Double(target.weight) * (ReproducibleMath.log(Double(sums[i])) + Double(margins[i]))
      }
      guard backward else { continue }
      // The logits are now their own gradient.
      products.mapBack([(output, loss.logits)], into: loss.dNormed, t: n)
      if let gradient = output.parameter?.gradient {
        products.tn(loss.logits.pointer(), v, loss.normed.pointer(), d, gradient.pointer(), d, t: n, n: v, k: d)
      }
      loss.dChosen.pointer().update(repeating: 0, count: n * d)
      normBack(loss.dNormed, loss.chosen, network.finalNorm, scale: loss.scale, dx: loss.dChosen, rows: n)
      // A row that several texts share may have several tokens next.
      for (i, target) in part.enumerated() {
        cqk_t_add(space.dx.pointer(row: target.row), loss.dChosen.pointer(row: i), d)
      }
    }
    return all
  }
}
