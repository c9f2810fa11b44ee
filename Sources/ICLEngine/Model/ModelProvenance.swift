/// Where a model came from, for reports: enough to say which bits made a number.
public struct ModelProvenance: Sendable, Equatable, Codable {
  /// The model's own name, or the file's.
  public var name: String
  /// The file it was read from; `nil` for a model made in memory.
  public var path: String?
  /// Lower-case hexadecimal SHA-256 of the file; `nil` for a model made in memory.
  public var sha256: String?
  /// The tensor types of the matrices and how many of each, such as `Q8_0 ×36, F32 ×1`.
  public var quantization: String
  public var parameterCount: Int

  public init(name: String, path: String?, sha256: String?, quantization: String, parameterCount: Int) {
    self.name = name
    self.path = path
    self.sha256 = sha256
    self.quantization = quantization
    self.parameterCount = parameterCount
  }
}
