/// A Llama-family transformer: its shape, weights and tokenizer. Immutable, and shared freely between threads.
public final class LlamaModel: Sendable {
  public let configuration: ModelConfiguration
  public let weights: LlamaWeights
  public let tokenizer: any Tokenizer
  /// The model's name, for reports.
  public let name: String
  /// The file it was read from, if any.
  public let file: GGUFFile?
  package let rotary: RotaryTable
  /// The threads that compute.
  package let pool: ThreadPool
  /// How products with weights are computed.
  public let precision: Precision
  private let packed: PackedWeights

  /// A model made in memory.
  ///
  /// - Throws: `invalidArgument` when a weight's shape does not fit the configuration or the configuration itself makes
  ///   no sense.
  public convenience init(
    configuration: ModelConfiguration, weights: LlamaWeights, tokenizer: any Tokenizer, name: String? = nil
  ) throws(EngineError) {
    try self.init(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, file: nil, pool: .shared)
  }

  package init(
    configuration: ModelConfiguration, weights: LlamaWeights, tokenizer: any Tokenizer, name: String? = nil,
    file: GGUFFile?, pool: ThreadPool, precision: Precision = .f32, packed: PackedWeights = PackedWeights()
  ) throws(EngineError) {
    let place = file.map { "\($0.path)" } ?? name ?? configuration.name
    try Kernels.check()
    try configuration.check(at: place)
    try weights.check(configuration, at: place)
    self.configuration = configuration
    self.weights = weights
    self.tokenizer = tokenizer
    self.name = name ?? configuration.name
    self.file = file
    self.pool = pool
    self.precision = precision
    self.packed = packed
    rotary = RotaryTable(configuration)
  }

  /// Reads a GGUF file. The weights stay in the file, mapped into memory.
  public convenience init(contentsOf path: String) throws(EngineError) {
    try self.init(contentsOf: path, pool: .shared)
  }

  package convenience init(contentsOf path: String, pool: ThreadPool) throws(EngineError) {
    let file = try GGUFFile(path: path)
    let configuration = try ModelConfiguration(file)
    let weights = try LlamaWeights(file, configuration)
    let tokenizer = try GGUFTokenizer.read(file)
    try self.init(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: configuration.name, file: file,
      pool: pool)
  }

  /// The same model computed by other threads: for tests and benchmarks of the number of threads.
  package func with(_ pool: ThreadPool) throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, file: file, pool: pool,
      precision: precision, packed: packed)
  }

  /// The same model, its products computed in another precision; the weights are shared.
  public func with(_ precision: Precision) throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, file: file, pool: pool,
      precision: precision, packed: packed)
  }

  /// Bytes that weights take in packed form: none before ``Precision/int8`` is first used.
  public var packedByteCount: Int { packed.byteCount }

  /// What computes the products of one pass.
  package func products() -> ProductPass { ProductPass(precision, packed: packed, pool: pool) }

  /// Where the model came from. The first call hashes the file.
  public var provenance: ModelProvenance {
    let matrices = weights.matrices
    var counts: [TensorType: Int] = [:]
    for matrix in matrices { counts[matrix.type, default: 0] += 1 }
    let summary = counts.sorted { ($0.value, $0.key.name) > ($1.value, $1.key.name) }
      .map { "\($0.key.name) ×\($0.value)" }.joined(separator: ", ")
    return ModelProvenance(
      name: name, path: file?.path, sha256: file?.sha256, quantization: summary, parameterCount: weights.parameterCount,
      precision: precision)
  }
}
