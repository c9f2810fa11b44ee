import Foundation

extension LlamaModel {
  /// Writes the model as a Hugging Face folder that `transformers` loads: `config.json`, `model.safetensors` in one
  /// part or several, `tokenizer.json` and its settings. The folder is made if need be.
  ///
  /// Quantized matrices become floats; the model computes the same states up to the rounding of `type`.
  /// - Parameters:
  ///   - type: F32, F16 or BF16, for everything
  ///   - largestPart: bytes of one safetensors file, about
  ///   - progress: called with the share that is written, from time to time; what it throws ends the writing.
  /// - Throws: `unsupported` for a shape or tokenizer that these formats can't say, `invalidArgument` for a value that
  ///   can't be stored, `unreadableFile` when nothing can be written
  public func write(
    huggingFace folder: String, as type: TensorType = .bf16, largestPart: Int = 5_000_000_000,
    progress: (Double) throws(EngineError) -> Void = { _ throws(EngineError) in try Interruption.check() }
  ) throws(EngineError) {
    guard let typeName = [TensorType.f32: "F32", .f16: "F16", .bf16: "BF16"][type] else {
      throw EngineError(
        .unsupported, "safetensors of a model are plain floats", at: folder, expected: "F32, F16 or BF16",
        found: type.name, nextStep: "write GGUF for a quantized model")
    }
    let config = try HuggingFaceSettings.config(self, type: type)
    let tokenizerFiles = try HuggingFaceSettings.tokenizerFiles(self)
    let entries = try SafetensorsEntry.all(of: self)
    let stage = try StagedFolder(path: folder)
    for (name, data) in tokenizerFiles + [("config.json", config)] {
      try StagedFile.write(data, to: "\(stage.path)/\(name)")
    }
    let hasIndex = try SafetensorsEntry.write(
      entries, as: type, typeName: typeName, to: stage.path, largestPart: largestPart, progress: progress)
    try stage.finish()
    // An index of an older checkpoint in the same folder would be read instead.
    if !hasIndex { unlink("\(folder)/\(SafetensorsEntry.indexName)") }
  }
}

/// A tensor of a checkpoint that is to be written.
private struct SafetensorsEntry {
  enum Content {
    case matrix(WeightMatrix)
    case vector([Float])
  }
  let name: String
  let content: Content
  /// Rows of rotary pairs go from neighbours to halves within heads of so many rows.
  var headDimension: Int?

  var shape: [Int] {
    switch content {
    case .matrix(let matrix): [matrix.rows, matrix.columns]
    case .vector(let values): [values.count]
    }
  }

  static func all(of model: LlamaModel) throws(EngineError) -> [SafetensorsEntry] {
    let (c, w) = (model.configuration, model.weights)
    let hasBias = HuggingFaceSettings.biases(model)
    var entries = [SafetensorsEntry(name: "model.embed_tokens.weight", content: .matrix(w.tokenEmbedding))]
    for (index, block) in w.blocks.enumerated() {
      let prefix = "model.layers.\(index)."
      entries.append(SafetensorsEntry(name: prefix + "input_layernorm.weight", content: .vector(block.attentionNorm)))
      entries.append(
        SafetensorsEntry(name: prefix + "post_attention_layernorm.weight", content: .vector(block.feedForwardNorm)))
      for projection in Projection.allCases {
        guard let matrix = block.projections[projection] else { continue }
        let name = prefix + projection.huggingFaceName
        let head = projection == .q || projection == .k ? c.headDimension : nil
        entries.append(SafetensorsEntry(name: name + ".weight", content: .matrix(matrix), headDimension: head))
        if projection.isOfAttention ? hasBias.attention : hasBias.feedForward {
          // A bias that is absent is zero.
          let bias = block.biases[projection] ?? [Float](repeating: 0, count: matrix.rows)
          let stored = head.map { e in bias.indices.map { bias[Self.neighbour(of: $0, e)] } } ?? bias
          entries.append(SafetensorsEntry(name: name + ".bias", content: .vector(stored)))
        }
      }
    }
    entries.append(SafetensorsEntry(name: "model.norm.weight", content: .vector(w.finalNorm)))
    if let output = w.output { entries.append(SafetensorsEntry(name: "lm_head.weight", content: .matrix(output))) }
    return entries
  }

  /// Where a row of the order by halves lies in the order by neighbours.
  private static func neighbour(of row: Int, _ e: Int) -> Int {
    row / e * e + row % e % (e / 2) * 2 + row % e / (e / 2)
  }

  // MARK: Writing

  static let indexName = "model.safetensors.index.json"

  /// Parts in the order of their names, each as full as `largestPart` lets it be.
  /// - Returns: whether there is an index of several parts
  static func write(
    _ entries: [SafetensorsEntry], as type: TensorType, typeName: String, to folder: String, largestPart: Int,
    progress: (Double) throws(EngineError) -> Void
  ) throws(EngineError) -> Bool {
    var parts: [[SafetensorsEntry]] = [[]]
    var size = 0
    for entry in entries {
      let bytes = entry.shape.reduce(type.bytesPerBlock, *)
      if size > 0, size + bytes > largestPart {
        parts.append([])
        size = 0
      }
      parts[parts.count - 1].append(entry)
      size += bytes
    }
    let total = max(1, entries.reduce(0) { $0 + $1.shape.reduce(1, *) })
    var done = 0
    var map: [String: String] = [:]
    for (index, part) in parts.enumerated() {
      func padded(_ number: Int) -> String { String(String(100_000 + number).dropFirst()) }
      let name =
        parts.count == 1
        ? "model.safetensors" : "model-\(padded(index + 1))-of-\(padded(parts.count)).safetensors"
      let file = try StagedFile(path: folder + "/" + name)
      try append(header(part, type, typeName), to: file)
      for entry in part {
        map[entry.name] = name
        try entry.write(as: type, to: file) { count throws(EngineError) in
          done += count
          try progress(Double(done) / Double(total))
        }
      }
      try file.finish()
    }
    if parts.count == 1 { return false }
    let tree: [String: Any] = ["metadata": ["total_size": total * type.bytesPerBlock], "weight_map": map]
    try StagedFile.write(HuggingFaceSettings.json(tree), to: "\(folder)/\(indexName)")
    return true
  }

  private static func append(_ data: Data, to file: StagedFile) throws(EngineError) {
    let result = data.withUnsafeBytes { bytes in Result { () throws(EngineError) in try file.append(bytes) } }
    try result.get()
  }

  /// The length of the JSON text, and that text padded to a multiple of 8 bytes.
  private static func header(_ part: [SafetensorsEntry], _ type: TensorType, _ typeName: String) -> Data {
    var members = [#""__metadata__":{"format":"pt"}"#]
    var offset = 0
    for entry in part {
      let end = offset + entry.shape.reduce(type.bytesPerBlock, *)
      let shape = entry.shape.map(String.init).joined(separator: ",")
      // The names are ours: none needs an escape.
      members.append(
        #""\#(entry.name)":{"dtype":"\#(typeName)","shape":[\#(shape)],"data_offsets":[\#(offset),\#(end)]}"#)
      offset = end
    }
    var text = "{\(members.joined(separator: ","))}"
    text += String(repeating: " ", count: (8 - text.utf8.count % 8) % 8)
    var data = Data()
    withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { data.append(contentsOf: $0) }
    return data + Data(text.utf8)
  }

  private func write(
    as type: TensorType, to file: StagedFile, progress: (Int) throws(EngineError) -> Void
  ) throws(EngineError) {
    switch content {
    case .vector(let values):
      try Self.append(Data(try BlockQuantizer.encode(values, as: type, name: name)), to: file)
      try progress(values.count)
    case .matrix(let matrix):
      let size = matrix.columns * type.bytesPerBlock
      try matrix.forEachPortion(as: type, name: name, multiple: headDimension ?? 1) { bytes, rows throws(EngineError) in
        if let e = headDimension {
          for row in 0..<rows {
            let start = Self.neighbour(of: row, e) * size
            try file.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + size]))
          }
        } else {
          try file.append(bytes)
        }
        try progress(rows * matrix.columns)
      }
    }
  }
}
