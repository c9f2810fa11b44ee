/// A Llama-family transformer: its shape, weights and tokenizer. Immutable, and shared freely between threads.
public final class LlamaModel: Sendable {
  public let configuration: ModelConfiguration
  public let weights: LlamaWeights
  public let tokenizer: any Tokenizer
  /// The model's name, for reports.
  public let name: String
  /// The file it was read from, if any.
  public let path: String?

  /// A model made in memory.
  ///
  /// - Throws: `invalidArgument` when a weight's shape does not fit the configuration.
  public init(
    configuration: ModelConfiguration, weights: LlamaWeights, tokenizer: any Tokenizer, name: String? = nil,
    path: String? = nil
  ) throws(EngineError) {
    self.configuration = configuration
    self.weights = weights
    self.tokenizer = tokenizer
    self.name = name ?? configuration.name
    self.path = path
  }

  /// Reads a GGUF file. The weights stay in the file, mapped into memory.
  public convenience init(contentsOf path: String) throws(EngineError) {
    throw EngineError(.unsupported, "reading models is being built", at: path)
  }

  /// One pass over whole prompts, computed together; tokens that prompts share at their beginning are computed once.
  ///
  /// The result of each prompt has the same bits whatever else is in the batch and however many threads run.
  /// - Parameters:
  ///   - prompts: token ids, each prompt at least one and at most `contextLength` long
  ///   - capture: which states are kept
  ///   - adapter: a low-rank update applied on the fly
  /// - Returns: one value per prompt, in order.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  public func forward(
    _ prompts: [[Int]], capture: CaptureRequest, adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> [HiddenStates] {
    throw EngineError(.unsupported, "the forward pass is being built")
  }

  /// Where the model came from. Hashes the file on first use.
  public var provenance: ModelProvenance {
    ModelProvenance(name: name, path: path, sha256: nil, quantization: "", parameterCount: 0)
  }
}
