/// Every parameter of a model. Query and key rows are in GGUF's order: rotary pairs are neighbours `(2i, 2i+1)`
/// within a head, whatever the file they came from.
public struct LlamaWeights: Sendable {
  /// `[V, D]`
  public var tokenEmbedding: WeightMatrix
  public var blocks: [Block]
  /// RMSNorm gain before the output, `[D]`
  public var finalNorm: [Float]
  /// `[V, D]`; `nil` when tied to the token embedding.
  public var output: WeightMatrix?

  public struct Block: Sendable {
    /// RMSNorm gains, `[D]`
    public var attentionNorm: [Float]
    public var feedForwardNorm: [Float]
    /// One matrix `[output, input]` for each projection.
    public var projections: [Projection: WeightMatrix]
    /// Biases `[output]`, where the file has them.
    public var biases: [Projection: [Float]]

    public init(
      attentionNorm: [Float], feedForwardNorm: [Float], projections: [Projection: WeightMatrix],
      biases: [Projection: [Float]] = [:]
    ) {
      self.attentionNorm = attentionNorm
      self.feedForwardNorm = feedForwardNorm
      self.projections = projections
      self.biases = biases
    }
  }

  public init(tokenEmbedding: WeightMatrix, blocks: [Block], finalNorm: [Float], output: WeightMatrix?) {
    self.tokenEmbedding = tokenEmbedding
    self.blocks = blocks
    self.finalNorm = finalNorm
    self.output = output
  }

  /// The matrix that turns a final state into logits, `[V, D]`.
  public var outputOrTied: WeightMatrix { output ?? tokenEmbedding }
}
