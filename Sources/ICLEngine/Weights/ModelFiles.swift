/// The files that a model was read from: one GGUF file, the parts of a split one, or a checkpoint's safetensors.
public struct ModelFiles: Sendable {
  /// What was asked for: the GGUF file (of a split one the first part), or the folder.
  public let path: String
  let files: [MappedFile]

  init(path: String, files: [MappedFile]) {
    self.path = path
    self.files = files
  }

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

  private func combined(_ checksums: [String]) -> String {
    guard checksums.count != 1 else { return checksums[0] }
    return MappedFile.sha256(of: Array(checksums.joined().utf8))
  }
}
