/// Why a chart could not be written.
public struct ChartError: Error, Sendable, Equatable, CustomStringConvertible {
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// The file's ending names no form that charts are written in.
    public static let unknownForm = Code(rawValue: "unknownForm")
    /// PNG and PDF need a program that is not there.
    public static let noRenderer = Code(rawValue: "noRenderer")
    /// The program that makes PNG and PDF failed.
    public static let renderingFailed = Code(rawValue: "renderingFailed")
    /// The file could not be written.
    public static let writingFailed = Code(rawValue: "writingFailed")
  }
  public let code: Code
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
