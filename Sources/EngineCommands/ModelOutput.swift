import ArgumentParser
import ICLEngine

/// Where a command writes a model: one GGUF file, or a Hugging Face folder.
struct ModelOutput {
  let path: String
  let type: TensorType
  let isFolder: Bool

  /// - Throws: `ValidationError` for a type that isn't written so
  init(_ path: String, type name: String, asFolder: Bool) throws {
    let types: [TensorType] = asFolder ? [.f32, .f16, .bf16] : BlockQuantizer.supported
    guard let type = types.first(where: { $0.name == name.uppercased() }) else {
      throw ValidationError(
        "--type \(name) is not written to \(asFolder ? "a Hugging Face folder" : "a GGUF file"); choose one of "
          + types.map(\.name).joined(separator: ", "))
    }
    (self.path, self.type, isFolder) = (path, type, asFolder)
  }

  func write(_ model: LlamaModel, progress: (Double) throws(EngineError) -> Void) throws(EngineError) {
    if isFolder {
      try model.write(huggingFace: path, as: type, progress: progress)
    } else {
      try model.write(gguf: path, as: type, progress: progress)
    }
  }
}
