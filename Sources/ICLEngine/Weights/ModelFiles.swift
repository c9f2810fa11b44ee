/// The files that a model was read from: one GGUF file, the parts of a split one, or a checkpoint's safetensors.
public struct ModelFiles: Sendable {
  /// What was asked for: the GGUF file (of a split one the first part), or the folder.
  public let path: String
  /// The text of the model's chat template, in the language of Jinja; `nil` when the files have none.
  public let chatTemplate: String?
  let files: [MappedFile]
  private let gguf: GGUFFile?

  init(_ file: GGUFFile) throws(EngineError) {
    path = file.path
    files = file.files
    gguf = file
    chatTemplate = try file.text("tokenizer.chat_template")
  }

  init(_ checkpoint: SafetensorsCheckpoint, chatTemplate: String?) {
    path = checkpoint.folder
    files = checkpoint.parts.map(\.file)
    gguf = nil
    self.chatTemplate = chatTemplate
  }

  /// Whether this is a GGUF file rather than a Hugging Face folder.
  public var isGGUF: Bool { gguf != nil }

  /// Bytes of all weight files together, which stay in the mapping.
  public var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Lower-case hexadecimal SHA-256. Of a single file that of its bytes; of several that of their checksums one after
  /// another as text, in the order of the files' names. The first call reads everything.
  public var sha256: String { combined(files.map(\.sha256)) }

  /// ``sha256``, if it was worked out before; `nil` otherwise. Reads nothing.
  public var knownSHA256: String? {
    let known = files.compactMap(\.knownSHA256)
    return known.count == files.count ? combined(known) : nil
  }

  /// Works the checksum out as long as `goesOn` says so.
  func computeSHA256(while goesOn: () -> Bool) {
    for file in files where file.computeSHA256(while: goesOn) == nil { return }
  }

  /// The share of all files that has been hashed, 0 to 1.
  var checksumShare: Double {
    files.reduce(0) { $0 + $1.checksumShare * Double($1.byteCount) } / Double(max(1, byteCount))
  }

  private func combined(_ checksums: [String]) -> String {
    guard checksums.count != 1 else { return checksums[0] }
    return MappedFile.sha256(of: Array(checksums.joined().utf8))
  }

  /// A GGUF file's metadata for another file: all but what belongs to its storage.
  func metadata() throws(EngineError) -> [(key: String, value: GGUFValue)] {
    guard let gguf else { return [] }
    var result: [(key: String, value: GGUFValue)] = []
    for key in gguf.keys where !key.hasPrefix("split.") && key != "general.alignment" && key != "general.file_type" {
      if let value = try gguf.value(key) { result.append((key, value)) }
    }
    return result
  }
}
