import Foundation

/// A Llama-family transformer: its shape, weights and tokenizer. Immutable, and shared freely between threads.
public final class LlamaModel: Sendable {
  public let configuration: ModelConfiguration
  public let weights: LlamaWeights
  public let tokenizer: any Tokenizer
  /// The model's name, for reports.
  public let name: String
  /// The files it was read from; `nil` for a model made in memory.
  public let files: ModelFiles?
  /// The text of the chat template that came with the model, in the language of Jinja.
  public let chatTemplate: String?
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
    configuration: ModelConfiguration, weights: LlamaWeights, tokenizer: any Tokenizer, name: String? = nil,
    chatTemplate: String? = nil
  ) throws(EngineError) {
    try self.init(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, chatTemplate: chatTemplate,
      files: nil, pool: .shared)
  }

  package init(
    configuration: ModelConfiguration, weights: LlamaWeights, tokenizer: any Tokenizer, name: String? = nil,
    chatTemplate: String? = nil, files: ModelFiles?, pool: ThreadPool, precision: Precision = .f32,
    packed: PackedWeights = PackedWeights()
  ) throws(EngineError) {
    let place = files?.path ?? name ?? configuration.name
    try Kernels.check()
    try configuration.check(at: place)
    try weights.check(configuration, at: place)
    self.configuration = configuration
    self.weights = weights
    self.tokenizer = tokenizer
    self.name = name ?? configuration.name
    self.files = files
    self.chatTemplate = chatTemplate ?? files?.chatTemplate
    self.pool = pool
    self.precision = precision
    self.packed = packed
    rotary = RotaryTable(configuration)
  }

  /// Reads a GGUF file (of a split one the first part), or a Hugging Face folder with `config.json`, safetensors and a
  /// tokenizer. The weights stay in the files, mapped into memory; none is touched.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`
  public convenience init(contentsOf path: String) throws(EngineError) {
    try self.init(contentsOf: path, pool: .shared)
  }

  package convenience init(contentsOf path: String, pool: ThreadPool) throws(EngineError) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      try self.init(huggingFace: path, pool: pool)
    } else {
      try self.init(gguf: path, pool: pool)
    }
  }

  private convenience init(gguf path: String, pool: ThreadPool) throws(EngineError) {
    let file = try GGUFFile(path: path)
    let configuration = try ModelConfiguration(file)
    let weights = try LlamaWeights(file, configuration)
    let tokenizer = try GGUFTokenizer.read(file)
    try self.init(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: configuration.name,
      files: ModelFiles(file), pool: pool)
  }

  private convenience init(huggingFace folder: String, pool: ThreadPool) throws(EngineError) {
    let config = try HuggingFaceConfig(folder: folder)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let weights = try LlamaWeights(checkpoint, config)
    let tokenizer = try HuggingFaceTokenizer.read(folder: folder)
    try self.init(
      configuration: config.shape, weights: weights, tokenizer: tokenizer, name: config.shape.name,
      files: ModelFiles(checkpoint, chatTemplate: HuggingFaceTokenizer.chatTemplate(folder: folder)), pool: pool)
  }

  /// The same model computed by other threads: for tests and benchmarks of the number of threads.
  package func with(_ pool: ThreadPool) throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, chatTemplate: chatTemplate,
      files: files, pool: pool, precision: precision, packed: packed)
  }

  /// The same model, its products computed in another precision; the weights are shared.
  public func with(_ precision: Precision) throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: configuration, weights: weights, tokenizer: tokenizer, name: name, chatTemplate: chatTemplate,
      files: files, pool: pool, precision: precision, packed: packed)
  }

  /// Bytes that weights take in packed form: none before ``Precision/int8`` is first used.
  public var packedByteCount: Int { packed.byteCount }

  /// What computes the products of one pass.
  package func products() -> ProductPass { ProductPass(precision, packed: packed, pool: pool) }

  /// The tensor types of the matrices and how many of each, such as `Q8_0 ×36, F32 ×1`.
  public var quantization: String {
    var counts: [TensorType: Int] = [:]
    for matrix in weights.matrices { counts[matrix.type, default: 0] += 1 }
    return counts.sorted { ($0.value, $0.key.name) > ($1.value, $1.key.name) }
      .map { "\($0.key.name) ×\($0.value)" }.joined(separator: ", ")
  }

  /// Where the model came from. The first call hashes the files.
  public var provenance: ModelProvenance {
    ModelProvenance(
      name: name, path: files?.path, sha256: files?.sha256, quantization: quantization,
      parameterCount: weights.parameterCount, precision: precision)
  }

  /// Files up to this size are hashed when something is to be shown; of larger ones the checksum is shown once it is
  /// known.
  static let hashedAtOnce = 256 << 20

  /// Without a large file's checksum, unless it is known already: reads little.
  var knownProvenance: ModelProvenance {
    ModelProvenance(
      name: name, path: files?.path,
      sha256: files.flatMap { $0.byteCount <= Self.hashedAtOnce ? $0.sha256 : $0.knownSHA256 },
      quantization: quantization, parameterCount: weights.parameterCount, precision: precision)
  }
}
