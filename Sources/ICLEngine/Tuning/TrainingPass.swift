internal import CQuantKernels

/// Forward and backward of a whole model over packed sequences.
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
  private var positions: [Int32] = []
  private var tokens: [Int] = []
  private var sequences: [TrainingAttention.Sequence] = []
  /// Rows whose next token counts in the loss, with that token and its weight.
  var targets: [(row: Int, token: Int32, weight: Float)] = []
  let loss: LossScratch
  /// This step's dropout; `nil` outside training.
  private var seed: UInt64?
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
    space = TrainingWorkspace(
      rows: 0, c, first: first, recomputes: recomputes, isRounded: arithmetic == .bf16)
    cosine = FloatMatrix(rows: 0, columns: c.ropeDimension / 2)
    sine = FloatMatrix(rows: 0, columns: c.ropeDimension / 2)
    loss = LossScratch(c)
  }

  var rowCount: Int { tokens.count }

  /// Weighted sum of the batch's losses (not yet divided by the weights' sum) after a forward pass; with `backward` the
  /// gradients of `loss sum / totalWeight` are added to the parameters'.
  /// - Parameters:
  ///   - batch: checked by the caller: tokens within the vocabulary and the context
  ///   - seed: of dropout; `nil` for none
  /// - Throws: `interrupted`, between blocks; gradients are then those of nothing
  func callAsFunction(
    _ batch: some Sequence<TuningExample>, totalWeight: Double, backward: Bool, seed: UInt64?
  ) throws(EngineError) -> Double {
    pack(batch)
    self.seed = seed
    try forward(keeping: backward)
    if targets.isEmpty { return 0 }
    let sum = try lossAndGradient(totalWeight: totalWeight, backward: backward)
    if backward { try backwardBlocks() }
    return sum
  }

  private func pack(_ batch: some Sequence<TuningExample>) {
    tokens.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    sequences.removeAll(keepingCapacity: true)
    targets.removeAll(keepingCapacity: true)
    var longest = 0
    for example in batch {
      let first = tokens.count
      sequences.append(.init(row: first, count: example.tokens.count))
      longest = max(longest, example.tokens.count)
      tokens += example.tokens
      for i in example.tokens.indices { positions.append(Int32(i)) }
      for i in example.tokens.indices.dropFirst() where example.lossWeights[i] != 0 {
        targets.append((first + i - 1, Int32(example.tokens[i]), example.lossWeights[i]))
      }
    }
    if space.capacity < tokens.count {
      space = TrainingWorkspace(
        rows: tokens.count, c, first: first, recomputes: recomputes, isRounded: products.arithmetic == .bf16)
    }
    attention.reserve(longest: longest)
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
      let known = sequences.map { frozen[Array(tokens[$0.row..<$0.row + $0.count])] }
      if known.allSatisfy({ $0 != nil }) {
        for (sequence, states) in zip(sequences, known) {
          if let states { entry.copyRows(0..<sequence.count, of: states, to: sequence.row) }
        }
        return
      }
    }
    // Two matrices in turn, so that the last block writes to `entry`; `dx` is free in the forward pass.
    var (x, next) = first % 2 == 0 ? (entry, space.dx) : (space.dx, entry)
    for (row, token) in tokens.enumerated() {
      network.tokenEmbedding.copyRow(token, to: x.pointer(row: row))
    }
    for index in 0..<first {
      try Interruption.check()
      inside(index, x, space.layer(index))
      leave(index, space.layer(index), into: next)
      swap(&x, &next)
    }
    if first > 0 {
      for sequence in sequences {
        let rows = sequence.row..<sequence.row + sequence.count
        frozen.keep(Array(tokens[rows]), rows, of: entry)
      }
      frozen.computed += sequences.count
    }
  }

  /// A block as far as the backward pass needs it: up to its gate and up projections.
  private func inside(_ index: Int, _ x: FloatMatrix, _ layer: TrainingWorkspace.Layer) {
    let block = network.blocks[index]
    norm(x, block.attentionNorm, into: space.normed, scale: layer.attentionScale)
    map(block, .q, space.normed, into: layer.q)
    map(block, .k, space.normed, into: layer.k)
    map(block, .v, space.normed, into: layer.v)
    rotate(layer.q, heads: c.headCount, sign: 1)
    rotate(layer.k, heads: c.keyValueHeadCount, sign: 1)
    attention.forward(sequences, q: layer.q, k: layer.k, v: layer.v, output: layer.attended)
    map(block, .o, layer.attended, into: layer.middle)
    add(x, to: layer.middle, columns: c.hiddenSize)
    norm(layer.middle, block.feedForwardNorm, into: space.normed, scale: layer.feedForwardScale)
    map(block, .gate, space.normed, into: layer.gate)
    map(block, .up, space.normed, into: layer.up)
  }

  /// The rest of a block.
  private func leave(_ index: Int, _ layer: TrainingWorkspace.Layer, into next: FloatMatrix) {
    activate(layer)
    map(network.blocks[index], .down, space.hidden, into: next)
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
      activate(layer)
      back(block, .down, space.hidden, space.dx, dx: space.dHidden)
      pool.split(rows * c.feedForwardSize, grain: 1024, worth: rows * c.feedForwardSize * 24) { range in
        let at = range.lowerBound
        cqk_t_swiglu_back(
          space.dHidden.pointer() + at, layer.gate.pointer() + at, layer.up.pointer() + at, range.count)
      }
      back(block, .gate, space.normed, layer.gate, dx: space.dNormed)
      back(block, .up, space.normed, layer.up, dx: space.dNormed, accumulate: true)
      normBack(layer.middle, block.feedForwardNorm, scale: layer.feedForwardScale)

      // Attention, likewise.
      back(block, .o, layer.attended, space.dx, dx: space.dAttended)
      attention.backward(
        sequences, q: layer.q, k: layer.k, v: layer.v, output: layer.attended, dOutput: space.dAttended, dq: space.dq,
        dk: space.dk, dv: space.dv)
      rotate(space.dq, heads: c.headCount, sign: -1)
      rotate(space.dk, heads: c.keyValueHeadCount, sign: -1)
      normAgain(space.residual(index), block.attentionNorm, scale: layer.attentionScale)
      let dNormed = goesOn || block.attentionNorm.isTrained ? space.dNormed : nil
      back(block, .q, space.normed, space.dq, dx: dNormed)
      back(block, .k, space.normed, space.dk, dx: dNormed, accumulate: true)
      back(block, .v, space.normed, space.dv, dx: dNormed, accumulate: true)
      if dNormed != nil { normBack(space.residual(index), block.attentionNorm, scale: layer.attentionScale) }
    }
    embed()
  }

  /// Adds `dx` to the gradient of the rows of the embedding that were looked up; threads own columns.
  private func embed() {
    guard let gradient = network.tokenEmbedding.parameter?.gradient else { return }
    pool.split(c.hiddenSize, grain: 16, worth: rowCount * c.hiddenSize * 8) { range in
      for (row, token) in tokens.enumerated() {
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

  private func map(_ block: TrainingNetwork.Block, _ p: Projection, _ x: FloatMatrix, into y: FloatMatrix) {
    guard let map = block.maps[p] else { preconditionFailure("the model's init checks this") }
    maps.forward(map, x, into: y, rows: rowCount, seed: seed)
  }

  private func back(
    _ block: TrainingNetwork.Block, _ p: Projection, _ x: FloatMatrix, _ dy: FloatMatrix, dx: FloatMatrix?,
    accumulate: Bool = false
  ) {
    guard let map = block.maps[p] else { preconditionFailure("the model's init checks this") }
    maps.backward(map, x, dy, dx: dx, accumulate: accumulate, rows: rowCount, seed: seed)
  }

  private func rotate(_ x: FloatMatrix, heads: Int, sign: Float) {
    if c.ropeDimension == 0 { return }
    pool.split(rowCount, worth: rowCount * x.columns * 8) { range in
      positions.withUnsafeBufferPointer { positions in
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
