public import NotebookDisplay

extension Engine: RichDisplayable, CustomStringConvertible {
  /// The model at a glance: name, shape, storage, and the hash that tells whether another reader has the same file.
  public var mimeBundle: MIMEBundle { table.mimeBundle }

  public var description: String { table.plainText }

  /// One property of the model per row.
  public var table: Table {
    let shape = model.configuration
    let origin = model.provenance
    var rows = [
      ["parameters", "\(origin.parameterCount)"],
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
      ["weights", origin.quantization],
    ]
    if origin.precision != .f32 { rows.append(["products", "computed in \(origin.precision.rawValue)"]) }
    if let hash = origin.sha256 { rows.append(["SHA-256", "\(hash.prefix(16))…"]) }
    return Table(["property", "value"], rows, caption: "Model \(origin.name)")
  }
}
