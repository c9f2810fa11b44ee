import Foundation

extension EngineError {
  /// Any error as one plain line. Foundation's own text holds domains and codes that say nothing to a reader.
  package static func line(_ error: any Error) -> String {
    switch error {
    case let error as EngineError:
      return error.what + (error.location.map { " (\($0))" } ?? "") + (error.found.map { ": \($0)" } ?? "")
    case let error as DecodingError: return line(decoding: error)
    case EncodingError.invalidValue(_, let context): return oneLine(context.debugDescription)
    case let error as CocoaError: return line(error as NSError)
    case let error as POSIXError: return String(cString: strerror(error.code.rawValue))
    default:
      // Errors that say themselves what they are; the rest is Foundation's.
      return type(of: error) == NSError.self ? line(error as NSError) : oneLine("\(error)")
    }
  }

  private static func line(_ error: NSError) -> String {
    if error.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(truncatingIfNeeded: error.code))) }
    if let inner = error.userInfo[NSUnderlyingErrorKey] as? any Error { return line(inner) }
    if let known = systemWords[error.code], error.domain == NSCocoaErrorDomain { return known }
    return oneLine(error.localizedDescription)
  }

  /// What the system would have said, where Foundation kept its code to itself.
  private static let systemWords: [Int: String] = [
    CocoaError.fileNoSuchFile.rawValue: "No such file or directory",
    CocoaError.fileReadNoSuchFile.rawValue: "No such file or directory",
    CocoaError.fileReadNoPermission.rawValue: "Permission denied",
    CocoaError.fileWriteNoPermission.rawValue: "Permission denied",
    CocoaError.fileWriteOutOfSpace.rawValue: "No space left on device",
    CocoaError.fileWriteVolumeReadOnly.rawValue: "Read-only file system",
    CocoaError.fileWriteFileExists.rawValue: "File exists",
    CocoaError.fileReadInapplicableStringEncoding.rawValue: "the text is not UTF-8",
    CocoaError.fileReadCorruptFile.rawValue: "the file is damaged",
  ]

  private static func line(decoding error: DecodingError) -> String {
    let context: DecodingError.Context =
      switch error {
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
        .dataCorrupted(let context):
        context
      @unknown default: .init(codingPath: [], debugDescription: "the JSON is not what was expected")
      }
    let key = context.codingPath.map { $0.intValue.map { "\($0)" } ?? $0.stringValue }.joined(separator: ".")
    var text = oneLine(context.debugDescription)
    if case .keyNotFound(let name, _) = error { text = "there is no key \"\(name.stringValue)\"" }
    return key.isEmpty ? text : "\(text) (key \(key))"
  }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
  }
}
