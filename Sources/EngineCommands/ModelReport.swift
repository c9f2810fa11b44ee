import Foundation
import ICLEngine

/// What a model is and what it will need, told before anything is computed: for `icl-kernel doctor --model`.
public struct ModelReport: Encodable {
  public struct Need: Encodable {
    /// Length of the context.
    public var tokens: Int
    /// Bytes of keys and values, `8·L·T·K·E`.
    public var keyValues: Int
    /// Bytes of a pass, and of the states that are kept by default.
    public var pass: Int
    /// All of them together, and what stays as long as the model is loaded.
    public var total: Int
  }

  public var path: String
  public var name: String
  public var parameters: Int
  public var fileBytes: Int
  public var quantization: String
  public var contextLength: Int
  public var chatTemplate: String
  public var needs: [Need]
  /// Bytes that the weights take once more in a precision that packs them; precisions that don't are left out.
  public var packed: [String: Int]

  /// Reads the model's metadata and vocabulary; no weight is touched.
  public init(path: String) throws {
    let engine = try Engine(model: path)
    let model = engine.model
    let memory = ModelMemory(model)
    self.path = path
    name = model.name
    parameters = memory.parameterCount
    fileBytes = memory.fileByteCount
    quantization = model.quantization
    contextLength = model.configuration.contextLength
    chatTemplate =
      model.chatTemplate.map { ChatTemplate(template: $0).map { "\($0)" } ?? "one that the engine doesn't know" }
      ?? "none"
    packed = Dictionary(
      uniqueKeysWithValues: Precision.allCases.map { ($0.rawValue, memory.packedBytes(in: $0)) }.filter { $0.1 > 0 })
    let lengths = Set(
      [512, 2048, model.configuration.contextLength].map { min($0, model.configuration.contextLength) })
    needs = lengths.sorted().map { tokens in
      let keyValues = memory.keyValueBytes(tokens: tokens)
      let total = memory.totalBytes(tokens: tokens)
      return Need(
        tokens: tokens, keyValues: keyValues, pass: total - keyValues - memory.residentBytes, total: total)
    }
  }

  /// For people.
  public var text: String {
    func bytes(_ count: Int) -> String { ByteCountFormatter.string(fromByteCount: Int64(count), countStyle: .decimal) }
    var lines = [
      "\(name): \(parameters) parameters, \(quantization)",
      "\(bytes(fileBytes)) of files, which stay mapped: they take memory only as page cache",
      "chat template: \(chatTemplate)",
      "memory beside the files, for one prompt with the residual stream of every layer at its last token:",
    ]
    for need in needs {
      lines.append(
        "  \(need.tokens) tokens: \(bytes(need.total)) (keys and values \(bytes(need.keyValues)), "
          + "pass \(bytes(need.pass)))")
    }
    for (precision, count) in packed.sorted(by: { $0.key < $1.key }) {
      lines.append("computed in \(precision): \(bytes(count)) more, for weights that are packed at their first use")
    }
    return lines.joined(separator: "\n")
  }
}
