/// The one error that the engine throws: what went wrong, where, what was expected, what was found, what to do.
public struct EngineError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure. Extensible: compare with the named constants.
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// The file does not exist or cannot be opened.
    public static let unreadableFile = Code(rawValue: "unreadableFile")
    /// The file is not what its format promises: truncated, overlapping, out of range, of wrong types.
    public static let malformedFile = Code(rawValue: "malformedFile")
    /// A valid file of a kind, version, architecture or tensor type that the engine does not read.
    public static let unsupported = Code(rawValue: "unsupported")
    /// An argument outside its domain: a token id, a layer, a position, a rank, a task without examples.
    public static let invalidArgument = Code(rawValue: "invalidArgument")
    /// The prompt and what is to follow it do not fit the model's context.
    public static let contextOverflow = Code(rawValue: "contextOverflow")
    /// The user interrupted; what was complete before is kept.
    public static let interrupted = Code(rawValue: "interrupted")
  }

  public let code: Code
  /// What went wrong, as a clause: "tensor data reaches past the end of the file".
  public let what: String
  /// Where: a path, and the tensor, key, line or byte offset in it.
  public let location: String?
  public let expected: String?
  public let found: String?
  /// What the reader can do now.
  public let nextStep: String?
  public let underlying: (any Error)?

  public init(
    _ code: Code, _ what: String, at location: String? = nil, expected: String? = nil, found: String? = nil,
    nextStep: String? = nil, underlying: (any Error)? = nil
  ) {
    self.code = code
    self.what = what
    self.location = location
    self.expected = expected
    self.found = found
    self.nextStep = nextStep
    self.underlying = underlying
  }

  public var description: String {
    var text = what
    if let location { text += "\n  where:    \(location)" }
    if let expected { text += "\n  expected: \(expected)" }
    if let found { text += "\n  found:    \(found)" }
    if let underlying { text += "\n  cause:    \(Self.line(underlying))" }
    if let nextStep { text += "\n  next:     \(nextStep)" }
    return text
  }
}
