import CHostSupport
package import Foundation
package import Logging
import Synchronization

/// sourcekitd, loaded into this process: what an editor knows of Swift code.
///
/// Requests are serialized; the first one takes about a second, later ones some milliseconds.
package final class SourceKit: Sendable {
  private enum Status { case untried, ready, absent }
  private let status = Mutex(Status.untried)
  private let library: String

  private let log: Logger

  package init(library: String, log: Logger) {
    self.library = library
    self.log = log
  }

  /// A value in a request: identifiers of sourcekitd stand bare, text is quoted.
  package enum Value: Sendable {
    case identifier(String)
    case text(String)
    case number(Int)
    case list([String])
    case table([(key: String, value: Value)])

    var yaml: String {
      switch self {
      case .identifier(let name): name
      case .text(let text): Self.quoted(text)
      case .number(let number): "\(number)"
      case .list(let items): "[" + items.map(Self.quoted).joined(separator: ", ") + "]"
      case .table(let pairs): "{" + pairs.map { "\($0.key): \($0.value.yaml)" }.joined(separator: ", ") + "}"
      }
    }

    /// YAML's double-quoted form.
    private static func quoted(_ text: String) -> String {
      var result = "\""
      for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        case _ where scalar.value < 0x20: result += "\\x" + String(format: "%02x", scalar.value)
        default: result.unicodeScalars.append(scalar)
        }
      }
      return result + "\""
    }
  }

  /// The answer as a JSON object, or `nil` when sourcekitd is absent or refuses.
  package func send(_ pairs: [(key: String, value: Value)]) -> Data? {
    status.withLock { status in
      if status == .untried { status = chs_sourcekit_open(library) ? .ready : .absent }
      guard status == .ready else { return nil }
      var error: UnsafeMutablePointer<CChar>?
      let answer = chs_sourcekit_request(Value.table(pairs).yaml, &error)
      defer {
        free(answer)
        free(error)
      }
      if let error { log.debug("sourcekitd refused", metadata: ["error": "\(String(cString: error))"]) }
      return answer.map { Data(bytes: $0, count: strlen($0)) }
    }
  }

  /// To be called after what made sourcekitd build much anew.
  package func returnMemory() { chs_return_memory() }
}
