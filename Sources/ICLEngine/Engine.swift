/// A model with everything that a notebook does to it: `let engine = try Engine()`.
public final class Engine: Sendable {
  public let model: LlamaModel

  public init(_ model: LlamaModel) { self.model = model }

  /// Reads a GGUF file.
  public convenience init(model path: String) throws(EngineError) { self.init(try LlamaModel(contentsOf: path)) }
}
