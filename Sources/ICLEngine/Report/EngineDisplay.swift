public import NotebookDisplay

extension Engine: RichDisplayable, CustomStringConvertible {
  /// The model at a glance: name, shape, storage, and the hash that tells whether another reader has the same file.
  public var mimeBundle: MIMEBundle { table.mimeBundle }

  public var description: String { table.plainText }

  /// One property of the model per row.
  public var table: Table {
    let shape = model.configuration
    let memory = ModelMemory(model)
    var rows = [
      ["parameters", "\(memory.parameterCount)"],
      ["layers × hidden size", "\(shape.layerCount) × \(shape.hiddenSize)"],
      [
        "attention heads",
        shape.keyValueHeadCount == shape.headCount
          ? "\(shape.headCount) of \(shape.headDimension)"
          : "\(shape.headCount) of \(shape.headDimension), \(shape.keyValueHeadCount) for keys and values",
      ],
      ["feed-forward size", "\(shape.feedForwardSize)"],
      ["vocabulary", "\(shape.vocabularySize) tokens"],
      ["context", "\(shape.contextLength) tokens"],
      ["weights", model.quantization],
    ]
    if let files = model.files { rows.append(["file", ByteCount.text(files.byteCount) + ", mapped"]) }
    let tokens = min(shape.contextLength, 2048)
    let packed = memory.packedBytes(in: model.precision)
    rows.append([
      "memory beside it",
      "\(ByteCount.text(memory.totalBytes(tokens: tokens))) for \(tokens) tokens, of which "
        + "\(ByteCount.text(memory.keyValueBytes(tokens: tokens))) keys and values"
        + (packed > 0 ? " and \(ByteCount.text(packed)) packed weights" : ""),
    ])
    if model.precision != .f32 { rows.append(["products", "computed in \(model.precision.rawValue)"]) }
    if let files = model.files {
      let hash = files.byteCount <= LlamaModel.hashedAtOnce ? files.sha256 : files.knownSHA256
      rows.append(["SHA-256", hash.map { "\($0.prefix(16))…" } ?? "not worked out yet"])
    }
    return Table(["property", "value"], rows, caption: "Model \(model.name)")
  }
}

/// Bytes for people.
enum ByteCount {
  /// `3.8 GB`, with powers of 1000.
  static func text(_ count: Int) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"]
    var (value, unit) = (Double(count), 0)
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    let tenths = (value * 10).rounded() / 10
    return unit == 0 || value >= 100 ? "\(Int(value.rounded())) \(units[unit])" : "\(tenths) \(units[unit])"
  }
}
