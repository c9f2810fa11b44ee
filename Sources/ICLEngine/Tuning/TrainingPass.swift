internal import CQuantKernels

/// Forward and backward of a whole model over packed texts.
///
/// Nothing is allocated once the largest batch has been seen. Symbols as in ``ModelConfiguration``; `R` packed rows.
final class TrainingPass {
  let network: TrainingNetwork
  let products: DenseProducts
  let pool: ThreadPool
  let c: ModelConfiguration
  let maps: MapTraining
  private let attention: TrainingAttention
  private let rotary: RotaryTable
  private(set) var space: TrainingWorkspace
  private var cosine: FloatMatrix
  private var sine: FloatMatrix
  private(set) var batch = PackedBatch()
  private(set) var loss: LossScratch
  /// The rows of each of the tunings side by side.
  private var shares: [MapTraining.Share] = []
  /// Whether a block's inside is computed again in the backward pass instead of kept.
  private let recomputes: Bool
  /// The lowest trained block.
  private let first: Int
  let frozen = FrozenStates()

  init(_ network: TrainingNetwork, arithmetic: TrainingArithmetic, pool: ThreadPool, recomputes: Bool) {
    self.network = network
    self.pool = pool
    self.recomputes = recomputes
    first = network.firstTrainedBlock
    c = network.configuration
    products = DenseProducts(arithmetic, pool: pool)
    maps = MapTraining(products, pool: pool)
    attention = TrainingAttention(c, pool: pool, isRounded: arithmetic == .bf16)
    rotary = RotaryTable(c)
    space = TrainingWorkspace(rows: 0, c, first: first, recomputes: recomputes, isRounded: arithmetic == .bf16)
    cosine = FloatMatrix(rows: 0, columns: c.ropeDimension / 2)
    sine = FloatMatrix(rows: 0, columns: c.ropeDimension / 2)
    loss = LossScratch(c, targets: 0)
  }

  var rowCount: Int { batch.tokens.count }

  /// What one of the tunings side by side learns from in a pass.
  struct Part {
    /// Checked by the caller: tokens within the vocabulary and the context.
    let examples: ArraySlice<TuningExample>
    /// What the gradient's sum is divided by.
    let totalWeight: Double
    /// Of dropout; `nil` for none.
    let seed: UInt64?
  }

  /// For each part the weighted sum of its losses (not yet divided by the weights' sum) after a forward pass; with
  /// `backward` the gradients of `loss sum / totalWeight` are added to the parameters'. A part's figures are those that
  /// it has alone, to the bit.
  /// - Parameter sharing: whether what examples begin with goes through the model once, and what no prediction depends on
  ///   not at all; not with dropout, which every row draws for itself
  /// - Throws: `interrupted`, between blocks; gradients are then those of nothing
  func callAsFunction(_ parts: [Part], sharing: Bool, backward: Bool) throws(EngineError) -> [Double] {
    pack(PackedBatch(parts.map(\.examples), sharing: sharing))
    shares = zip(batch.members, parts).map { MapTraining.Share(rows: $0, seed: $1.seed) }
    try forward(keeping: backward)
    if batch.targets.isEmpty { return parts.map { _ in 0 } }
    let sums = try lossAndGradient(totalWeights: parts.map(\.totalWeight), backward: backward)
    if backward { try backwardBlocks() }
    return sums
  }

  private func pack(_ batch: PackedBatch) {
    self.batch = batch
    if space.capacity < rowCount {
      space = TrainingWorkspace(
        rows: rowCount, c, first: first, recomputes: recomputes, isRounded: products.arithmetic == .bf16,
        needsHidden: network.blocks.contains { $0.maps[.down]?.seesInput == true })
    }
    let longest = batch.longest
    attention.reserve(longest: longest)
    if !loss.suffices(for: batch.targets.count, c) { loss = LossScratch(c, targets: batch.targets.count) }
    if cosine.rows < longest {
      cosine = FloatMatrix(rows: longest, columns: c.ropeDimension / 2)
      sine = FloatMatrix(rows: longest, columns: c.ropeDimension / 2)
      rotary.fill(Array(0..<longest), cosine: cosine, sine: sine)
    }
  }

  private func forward(keeping: Bool) throws(EngineError) {
    try enter()
    for index in first..<c.layerCount {
      try Interruption.check()
      let layer = space.layer(index)
      inside(index, space.residual(index), layer)
      leave(index, layer, into: space.residual(index + 1))
      if keeping { space.keep(index, rows: rowCount, pool) }
    }
  }

  /// Fills the residual stream before the lowest trained block.
  private func enter() throws(EngineError) {
    let entry = space.residual(first)
    if first > 0 {
      let known = batch.spans.map { frozen[batch.key(of: $0)] }
      if known.allSatisfy({ $0 != nil }) {
        for (span, states) in zip(batch.spans, known) {
          if let states { entry.copyRows(0..<span.own.count, of: states, to: span.own.row) }
        }
        return
      }
    }
    // Two matrices in turn, so that the last block writes to `entry`; `dx` is free in the forward pass.
    var (x, next) = first % 2 == 0 ? (entry, space.dx) : (space.dx, entry)
    for (row, token) in batch.tokens.enumerated() {
      network.tokenEmbedding.copyRow(token, to: x.pointer(row: row))
    }
    for index in 0..<first {
      try Interruption.check()
      inside(index, x, space.layer(index))
      leave(index, space.layer(index), into: next)
      swap(&x, &next)
    }
    if first > 0 {
      for span in batch.spans {
        frozen.keep(batch.key(of: span), span.own.row..<span.own.row + span.own.count, of: entry)
      }
      frozen.computed += batch.spans.count
    }
  }

  /// A block as far as the backward pass needs it: up to its gate and up projections.
  private func inside(_ index: Int, _ x: FloatMatrix, _ layer: TrainingWorkspace.Layer) {
    let block = network.blocks[index]
    norm(x, block.attentionNorm, into: space.normed, scale: layer.attentionScale)
    map(block, [.q: layer.q, .k: layer.k, .v: layer.v], space.normed)
    rotate(layer.q, heads: c.headCount, sign: 1)
    rotate(layer.k, heads: c.keyValueHeadCount, sign: 1)
    attention.forward(batch.spans, q: layer.q, k: layer.k, v: layer.v, output: layer.attended)
    map(block, [.o: layer.middle], layer.attended)
    add(x, to: layer.middle, columns: c.hiddenSize)
    norm(layer.middle, block.feedForwardNorm, into: space.normed, scale: layer.feedForwardScale)
    map(block, [.gate: layer.gate, .up: layer.up], space.normed)
  }

  /// The rest of a block.
  private func leave(_ index: Int, _ layer: TrainingWorkspace.Layer, into next: FloatMatrix) {
    activate(layer)
    map(network.blocks[index], [.down: next], space.hidden)
    add(layer.middle, to: next, columns: c.hiddenSize)
  }

  /// From the gradient of the last residual, in `space.dx`, down to everything that is trained.
  private func backwardBlocks() throws(EngineError) {
    let rows = rowCount
    // Below the lowest trained block nothing has to know the gradient.
    let all = network.tokenEmbedding.parameter != nil
    for index in (first..<network.blocks.count).reversed() {
      try Interruption.check()
      let block = network.blocks[index]
      let layer = space.layer(index)
      let goesOn = all || index > first
      // The last block's inside is still there.
      if recomputes && index < network.blocks.count - 1 { inside(index, space.residual(index), layer) }
      space.restore(index, rows: rows, pool)

      // Feed-forward: dx is the gradient of its branch and of the residual around it.
      normAgain(layer.middle, block.feedForwardNorm, scale: layer.feedForwardScale)
      if block.maps[.down]?.seesInput == true { activate(layer) }
      back(block, [.down: space.dx], space.hidden, dx: space.dHidden)
      pool.split(rows * c.feedForwardSize, grain: 1024, worth: rows * c.feedForwardSize * 24) { range in
        let at = range.lowerBound
        cqk_t_swiglu_back(
          space.dHidden.pointer() + at, layer.gate.pointer() + at, layer.up.pointer() + at, range.count)
      }
      back(block, [.gate: layer.gate, .up: layer.up], space.normed, dx: space.dNormed)
      normBack(layer.middle, block.feedForwardNorm, scale: layer.feedForwardScale)

      // Attention, likewise.
      back(block, [.o: space.dx], layer.attended, dx: space.dAttended)
      attention.backward(
        batch.spans, q: layer.q, k: layer.k, v: layer.v, output: layer.attended, dOutput: space.dAttended,
        dq: space.dq, dk: space.dk, dv: space.dv)
      rotate(space.dq, heads: c.headCount, sign: -1)
      rotate(space.dk, heads: c.keyValueHeadCount, sign: -1)
      normAgain(space.residual(index), block.attentionNorm, scale: layer.attentionScale)
      let dNormed = goesOn || block.attentionNorm.isTrained ? space.dNormed : nil
      back(block, [.q: space.dq, .k: space.dk, .v: space.dv], space.normed, dx: dNormed)
      if dNormed != nil { normBack(space.residual(index), block.attentionNorm, scale: layer.attentionScale) }
    }
    embed()
  }

  /// Adds `dx` to the gradient of the rows of the embedding that were looked up; threads own columns.
  private func embed() {
    guard let gradient = network.tokenEmbedding.parameter?.gradient else { return }
    pool.split(c.hiddenSize, grain: 16, worth: rowCount * c.hiddenSize * 8) { range in
      for (row, token) in batch.tokens.enumerated() {
        cqk_t_add(
          gradient.pointer(row: token, column: range.lowerBound),
          space.dx.pointer(row: row, column: range.lowerBound), range.count)
      }
    }
  }

  // MARK: - Parts

  func norm(_ x: FloatMatrix, _ gain: Parameter, into y: FloatMatrix, scale: FloatMatrix, rows: Int? = nil) {
    let rows = rows ?? rowCount
    pool.split(rows, worth: rows * x.columns * 8) { range in
      cqk_t_rmsnorm(
        x.pointer(row: range.lowerBound), gain.value.pointer(), y.pointer(row: range.lowerBound),
        scale.pointer(column: range.lowerBound), range.count, x.columns, c.normEpsilon)
    }
  }

  private func normAgain(_ x: FloatMatrix, _ gain: Parameter, scale: FloatMatrix) {
    norm(x, gain, into: space.normed, scale: scale)
  }

  /// Takes `dNormed` through the norm of `x` into the gain's gradient and onto `dx`.
  private func normBack(_ x: FloatMatrix, _ gain: Parameter, scale: FloatMatrix) {
    normBack(space.dNormed, x, gain, scale: scale, dx: space.dx, rows: rowCount)
  }

  func normBack(
    _ dy: FloatMatrix, _ x: FloatMatrix, _ gain: Parameter, scale: FloatMatrix, dx: FloatMatrix, rows: Int
  ) {
    if let gradient = gain.gradient {
      pool.split(x.columns, grain: 16, worth: rows * x.columns * 8) { range in
        cqk_t_rmsnorm_gain_back(
          dy.pointer(), x.pointer(), scale.pointer(), gradient.pointer(), rows, x.columns, range.lowerBound,
          range.upperBound)
      }
    }
    pool.split(rows, worth: rows * x.columns * 8) { range in
      cqk_t_rmsnorm_back(
        dy.pointer(row: range.lowerBound), x.pointer(row: range.lowerBound), gain.value.pointer(),
        scale.pointer(column: range.lowerBound), dx.pointer(row: range.lowerBound), range.count, x.columns)
    }
  }

  private func map(
    _ block: TrainingNetwork.Block, _ outputs: KeyValuePairs<Projection, FloatMatrix>, _ x: FloatMatrix
  ) {
    maps.forward(pairs(block, outputs), x, rows: rowCount, shares: shares)
  }

  private func back(
    _ block: TrainingNetwork.Block, _ gradients: KeyValuePairs<Projection, FloatMatrix>, _ x: FloatMatrix,
    dx: FloatMatrix?
  ) {
    maps.backward(pairs(block, gradients), x, dx: dx, rows: rowCount, shares: shares)
  }

  private func pairs(
    _ block: TrainingNetwork.Block, _ matrices: KeyValuePairs<Projection, FloatMatrix>
  ) -> [MapTraining.Map] {
    matrices.map { projection, matrix in
      guard let map = block.maps[projection] else { preconditionFailure("the model's init checks this") }
      return (map, matrix)
    }
  }

  private func rotate(_ x: FloatMatrix, heads: Int, sign: Float) {
    if c.ropeDimension == 0 { return }
    pool.split(rowCount, worth: rowCount * x.columns * 8) { range in
      batch.positions.withUnsafeBufferPointer { positions in
        guard let start = positions.baseAddress else { return }
        cqk_t_rope(
          x.pointer(row: range.lowerBound), range.count, x.columns, heads, c.headDimension, c.ropeDimension,
          start + range.lowerBound, cosine.pointer(), sine.pointer(), sign)
      }
    }
  }

  private func add(_ x: FloatMatrix, to y: FloatMatrix, columns: Int) {
    pool.split(rowCount * columns, grain: 1024, worth: rowCount * columns * 4) { range in
      cqk_t_add(y.pointer() + range.lowerBound, x.pointer() + range.lowerBound, range.count)
    }
  }

  private func activate(_ layer: TrainingWorkspace.Layer) {
    let table = Kernels.table
    pool.split(rowCount * c.feedForwardSize, grain: 1024, worth: rowCount * c.feedForwardSize * 16) { range in
      let at = range.lowerBound
      table.silu_mul_f32(
        layer.gate.pointer() + at, layer.up.pointer() + at, space.hidden.pointer() + at, range.count)
    }
  }
}
