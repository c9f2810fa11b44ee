extension LlamaWeights {
  /// The weights with an adapter's update added: `W + scale · B·A`, in F32 whatever `W` was stored as: a quantized `W` is
  /// dequantized exactly. What the adapter doesn't touch stays as it is, quantized and in its file.
  ///
  /// The sum isn't rounded to `W`'s type again, because an update smaller than half a step of a quantized grid would be
  /// lost without a word; ``LlamaModel/write(gguf:as:progress:)`` of the merged model does that for whoever wants the small
  /// file. A touched matrix takes `4 · rows · columns` bytes of memory.
  ///
  /// A pass over merged weights differs from one with the adapter apart by rounding alone: `x·(W + BA)ᵀ` against
  /// `x·Wᵀ + (x·Aᵀ)·Bᵀ`.
  /// - Throws: `invalidArgument` when the adapter doesn't fit the shape
  public func merged(with adapter: LoRAAdapter, _ c: ModelConfiguration) throws(EngineError) -> LlamaWeights {
    try adapter.check(c)
    var result = self
    for (index, block) in adapter.blocks.enumerated() {
      for (projection, pair) in block {
        guard let weight = blocks[index].projections[projection] else { continue }
        let rank = adapter.rank(of: pair)
        let sum = weight.dequantized()
        let scaled = FloatMatrix(rows: weight.rows, columns: rank)
        Kernels.table.axpy_f32(adapter.scale(of: pair), pair.b, scaled.pointer(), pair.b.count)
        Kernels.table.gemm_nn_f32(
          scaled.pointer(), rank, pair.a, weight.columns, sum.pointer(), weight.columns, weight.rows, rank,
          weight.columns, rank, 0)
        result.blocks[index].projections[projection] = WeightMatrix(
          name: weight.name, rows: weight.rows, columns: weight.columns, values: sum.values)
      }
    }
    return result
  }
}

extension LlamaModel {
  /// The same model with an adapter merged into its weights; see ``LlamaWeights/merged(with:_:)``.
  /// - Throws: `invalidArgument` when the adapter doesn't fit
  public func merged(with adapter: LoRAAdapter, name: String? = nil) throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: configuration, weights: try weights.merged(with: adapter, configuration), tokenizer: tokenizer,
      name: name ?? self.name, chatTemplate: chatTemplate, files: nil, pool: pool, precision: precision)
  }
}
