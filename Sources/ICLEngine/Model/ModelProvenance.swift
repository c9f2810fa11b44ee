/// Where a model came from, for reports: enough to say which bits made a number.
public struct ModelProvenance: Sendable, Equatable, Codable {
  /// The model's own name, or the file's.
  public var name: String
  /// The file it was read from; `nil` for a model made in memory. JSON has the file's name alone, since a folder of one
  /// machine says nothing on another; the hash says which file it is. What was read back has the name.
  public var path: String?
  /// Lower-case hexadecimal SHA-256 of the file; `nil` for a model made in memory.
  public var sha256: String?
  /// The tensor types of the matrices and how many of each, such as `Q8_0 ×36, F32 ×1`.
  public var quantization: String
  public var parameterCount: Int

  /// How products with the weights were computed. Left out of JSON when it is F32.
  public var precision: Precision

  public init(
    name: String, path: String?, sha256: String?, quantization: String, parameterCount: Int,
    precision: Precision = .f32
  ) {
    self.name = name
    self.path = path
    self.sha256 = sha256
    self.quantization = quantization
    self.parameterCount = parameterCount
    self.precision = precision
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    name = try box.decode(String.self, forKey: .name)
    // `path` was written by versions before 0.2.
    let file = try box.decodeIfPresent(String.self, forKey: .path) ?? box.decodeIfPresent(String.self, forKey: .file)
    path = try box.decodeIfPresent(Bool.self, forKey: .ships) == true ? Self.shippedPlace : file
    sha256 = try box.decodeIfPresent(String.self, forKey: .sha256)
    quantization = try box.decode(String.self, forKey: .quantization)
    parameterCount = try box.decode(Int.self, forKey: .parameterCount)
    precision = try box.decodeIfPresent(Precision.self, forKey: .precision) ?? .f32
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(name, forKey: .name)
    if let path {
      try box.encode(path.split(separator: "/").last.map(String.init) ?? path, forKey: .file)
      if isShipped { try box.encode(true, forKey: .ships) }
    }
    try box.encodeIfPresent(sha256, forKey: .sha256)
    try box.encode(quantization, forKey: .quantization)
    try box.encode(parameterCount, forKey: .parameterCount)
    if precision != .f32 { try box.encode(precision, forKey: .precision) }
  }

  private enum CodingKeys: String, CodingKey {
    case name, path, file, ships, sha256, quantization, parameterCount, precision
  }

  /// Whether it is the model that comes with the engine, wherever that was built.
  var isShipped: Bool { path?.hasSuffix(Self.shippedPlace) ?? false }
  private static let shippedPlace = ".resources/Resources/tour.gguf"

  /// Where a file lies is no difference.
  public static func == (a: ModelProvenance, b: ModelProvenance) -> Bool {
    (a.name, a.sha256, a.quantization, a.parameterCount, a.precision)
      == (b.name, b.sha256, b.quantization, b.parameterCount, b.precision)
  }
}
