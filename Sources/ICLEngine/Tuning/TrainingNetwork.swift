/// The parameters of a model under training, in the order in which the optimizer goes through them.
///
/// Several tunings by LoRA may go side by side, each with an adapter of its own over the same frozen weights.
///
/// Symbols as in ``ModelConfiguration``; `r` rank of a low-rank update.
package final class TrainingNetwork {
  let configuration: ModelConfiguration
  let tokenEmbedding: TrainableMatrix
  let blocks: [Block]
  let finalNorm: Parameter
  /// `nil` when tied to the embedding.
  let output: TrainableMatrix?
  /// Those that are trained: what all tunings share, then what is each one's own.
  package let trained: [Parameter]
  /// Those that each of the tunings trains.
  let members: [[Parameter]]

  struct Block {
    let attentionNorm: Parameter
    let feedForwardNorm: Parameter
    let maps: [Projection: LinearMap]

    /// Whether anything here is trained.
    var isTrained: Bool { attentionNorm.isTrained || maps.values.contains { $0.isTrained } }
  }

  /// One projection: `y = x·Wᵀ + bias + scale · (x·Aᵀ)·Bᵀ`.
  struct LinearMap {
    let weight: TrainableMatrix
    /// `[1, output]`
    let bias: Parameter?
    /// One for each of the tunings side by side, or none.
    let loras: [LowRank]

    /// Whether its gradients need what went into it.
    var seesInput: Bool { weight.parameter != nil || !loras.isEmpty }

    var isTrained: Bool { weight.parameter != nil || loras.first?.a.isTrained == true }
  }

  struct LowRank {
    /// `[r, input]`
    let a: Parameter
    /// `[output, r]`
    let b: Parameter
    let scale: Float
    let dropout: Float
    /// Distinguishes this map's dropout from all others'.
    let stream: UInt64
  }

  /// - Parameters:
  ///   - adapter: where low-rank updates start; what it doesn't have stays frozen.
  ///   - layers: the blocks that are trained, 1 for the first; `nil` for all and, with ``TuningMethod/full``, all else
  package convenience init(
    _ weights: LlamaWeights, _ c: ModelConfiguration, method: TuningMethod, adapter: LoRAAdapter? = nil,
    layers: [Int]? = nil
  ) {
    self.init(weights, c, method: method, adapters: adapter.map { [$0] } ?? [], layers: layers)
  }

  /// - Parameter adapters: where each of the tunings begins, all with the same projections; none for another method
  init(
    _ weights: LlamaWeights, _ c: ModelConfiguration, method: TuningMethod, adapters: [LoRAAdapter], layers: [Int]?
  ) {
    configuration = c
    var isFull = method == .full && layers == nil
    func vector(_ name: String, _ values: [Float]) -> Parameter {
      Parameter(
        name, FloatMatrix(rows: 1, columns: values.count, values: values), trained: isFull, decays: false)
    }
    tokenEmbedding = TrainableMatrix(weights.tokenEmbedding, trained: isFull)
    output = weights.output.map { TrainableMatrix($0, trained: isFull) }
    finalNorm = vector("final norm", weights.finalNorm)
    var blocks: [Block] = []
    for (index, block) in weights.blocks.enumerated() {
      let isChosen = layers?.contains(index + 1) ?? true
      isFull = method == .full && isChosen
      var maps: [Projection: LinearMap] = [:]
      for (place, projection) in Projection.allCases.enumerated() {
        guard let matrix = block.projections[projection] else { continue }
        let trained = isFull || (isChosen && method == .keyValue && (projection == .k || projection == .v))
        let name = "block \(index) \(projection.rawValue)"
        let bias = block.biases[projection].map { values in
          Parameter(
            name + " bias", FloatMatrix(rows: 1, columns: values.count, values: values), trained: trained,
            decays: false)
        }
        let loras = adapters.compactMap { adapter -> LowRank? in
          guard let pair = adapter.blocks[index][projection] else { return nil }
          let r = adapter.rank(of: pair)
          return LowRank(
            a: Parameter(
              name + " A", FloatMatrix(rows: r, columns: matrix.columns, values: pair.a), trained: isChosen,
              decays: true),
            b: Parameter(
              name + " B", FloatMatrix(rows: matrix.rows, columns: r, values: pair.b), trained: isChosen,
              decays: true),
            scale: adapter.scale(of: pair), dropout: isChosen ? method.dropout : 0,
            stream: UInt64(index * Projection.allCases.count + place))
        }
        maps[projection] = LinearMap(
          weight: TrainableMatrix(matrix, trained: trained), bias: bias, loras: loras)
      }
      blocks.append(
        Block(
          attentionNorm: vector("block \(index) attention norm", block.attentionNorm),
          feedForwardNorm: vector("block \(index) feed-forward norm", block.feedForwardNorm), maps: maps))
    }
    self.blocks = blocks

    var all = [tokenEmbedding.parameter]
    for block in blocks {
      all += [block.attentionNorm, block.feedForwardNorm]
      for projection in Projection.allCases {
        guard let map = block.maps[projection] else { continue }
        all += [map.weight.parameter, map.bias]
        if adapters.count <= 1 { all += map.loras.flatMap { [$0.a, $0.b] } }
      }
    }
    all += [finalNorm, output?.parameter]
    let own =
      adapters.count <= 1
      ? []
      : adapters.indices.map { member in
        blocks.flatMap { block in
          Projection.allCases.compactMap { block.maps[$0] }.filter { !$0.loras.isEmpty }
            .flatMap { [$0.loras[member].a, $0.loras[member].b] }
        }.filter(\.isTrained)
      }
    let shared = all.compactMap(\.self).filter(\.isTrained)
    trained = shared + own.joined()
    members = own.isEmpty ? [shared] : own
    precondition(own.isEmpty || shared.isEmpty, "tunings side by side share nothing that is trained")
  }

  /// The lowest block of which anything is trained, from 0; the number of blocks when none is. 0 when the embeddings are.
  var firstTrainedBlock: Int {
    tokenEmbedding.parameter != nil ? 0 : blocks.firstIndex { $0.isTrained } ?? blocks.count
  }

  /// The matrix whose rows the final states are compared with.
  var outputOrTied: TrainableMatrix { output ?? tokenEmbedding }

  /// The present values as weights for inference; frozen matrices are those that came in.
  package func weights() -> LlamaWeights {
    LlamaWeights(
      tokenEmbedding: tokenEmbedding.snapshot("token_embd.weight"),
      blocks: blocks.enumerated().map { index, block in
        var projections: [Projection: WeightMatrix] = [:]
        var biases: [Projection: [Float]] = [:]
        for (projection, map) in block.maps {
          projections[projection] = map.weight.snapshot("block \(index) \(projection.rawValue)")
          biases[projection] = map.bias?.value.values
        }
        return LlamaWeights.Block(
          attentionNorm: block.attentionNorm.value.values, feedForwardNorm: block.feedForwardNorm.value.values,
          projections: projections, biases: biases)
      }, finalNorm: finalNorm.value.values, output: output?.snapshot("output.weight"))
  }

  /// The present low-rank updates, as the adapter that they began from.
  package func adapter(like start: LoRAAdapter, member: Int = 0) -> LoRAAdapter {
    var result = start
    for (index, block) in blocks.enumerated() {
      for (projection, map) in block.maps where !map.loras.isEmpty {
        let lora = map.loras[member]
        result.blocks[index][projection]?.a = lora.a.value.values
        result.blocks[index][projection]?.b = lora.b.value.values
      }
    }
    return result
  }
}
