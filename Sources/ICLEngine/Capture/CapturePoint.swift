/// A place in the forward pass at which states can be read and changed. Layer 0 is the embeddings; layer `i` belongs to
/// block `i` (1-based). The final norm has no layer.
public enum CapturePoint: String, Sendable, Hashable, CaseIterable, Codable {
  /// The residual stream: after the embedding (layer 0) and after each block, before the final norm. `[D]`
  case residual
  /// What the attention heads read together, one after another, before the o projection mixes them. `[H·E]`
  case headOutputs
  /// Output of the attention's o projection, before it is added to the residual. `[D]`
  case attentionOutput
  /// Output of the feed-forward part, before it is added to the residual. `[D]`
  case feedForwardOutput
  /// After the final RMSNorm. `[D]`
  case finalNorm

  /// Floats of one row.
  func width(in c: ModelConfiguration) -> Int { self == .headOutputs ? c.queryWidth : c.hiddenSize }
}

/// A place inside the attention at which each head's view of the text can be read and changed: one number for each
/// position from the first to the query's own.
public enum AttentionPoint: String, Sendable, Hashable, CaseIterable, Codable {
  /// `q·k / √E` before the softmax; −∞ for a position outside a sliding window.
  case logits
  /// After the softmax; 0 outside a sliding window.
  case probabilities
}
