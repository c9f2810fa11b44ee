extension LlamaModel {
  /// Writes the model as one GGUF file that llama.cpp loads, its matrices as `type`.
  ///
  /// The blocks are those of llama.cpp's reference quantizers, byte for byte; embedding and output are quantized like
  /// the other matrices (`llama-quantize --pure`), norms and biases are F32. A matrix whose rows are not whole blocks
  /// keeps the type it has. The model's weights are read a few megabytes at a time.
  /// - Parameter progress: called with the share that is written, from time to time; what it throws ends the writing.
  /// - Throws: `unsupported` for a type or tokenizer that can't be written, `invalidArgument` for a value that can't,
  ///   `unreadableFile` when the file can't be
  public func write(
    gguf path: String, as type: TensorType,
    progress: (Double) throws(EngineError) -> Void = { _ throws(EngineError) in try Interruption.check() }
  ) throws(EngineError) {
    try BlockQuantizer.check(type, name: "of every matrix")
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("general.type", .string("model"))
    // A GGUF file's own keys are kept: they say more than the engine knows.
    for (key, value) in try files?.metadata() ?? [] { writer.set(key, value) }
    var shape = configuration
    shape.name = name
    try writer.add(weights, configuration: shape, as: type)
    writer.set("general.quantization_version", .uint32(2))
    if files?.isGGUF != true {
      for (key, value) in try GGUFTokenizer.metadata(tokenizer, count: configuration.vocabularySize) {
        writer.set(key, value)
      }
      if let chatTemplate { writer.set("tokenizer.chat_template", .string(chatTemplate)) }
    }
    try writer.write(to: path, progress: progress)
  }
}
