internal import Foundation
internal import NotebookDisplay

// The contents of messages, as the protocol's specification (5.5) names their fields.

package struct ExecuteRequest: Decodable, Sendable {
  package var code: String
  package var silent: Bool
  package var storeHistory: Bool
  package var userExpressions: [String: String]
  package var allowStdin: Bool
  package var stopOnError: Bool

  enum CodingKeys: String, CodingKey {
    case code, silent
    case storeHistory = "store_history"
    case userExpressions = "user_expressions"
    case allowStdin = "allow_stdin"
    case stopOnError = "stop_on_error"
  }

  package init(from decoder: any Decoder) throws {
    let c = try decoder.container(keyedBy: CodingKeys.self)
    code = try c.decode(String.self, forKey: .code)
    silent = try c.decodeIfPresent(Bool.self, forKey: .silent) ?? false
    storeHistory = try c.decodeIfPresent(Bool.self, forKey: .storeHistory) ?? !silent
    userExpressions = try c.decodeIfPresent([String: String].self, forKey: .userExpressions) ?? [:]
    allowStdin = try c.decodeIfPresent(Bool.self, forKey: .allowStdin) ?? true
    stopOnError = try c.decodeIfPresent(Bool.self, forKey: .stopOnError) ?? true
  }
}

struct CodeAtCursor: Decodable {
  var code: String
  var cursor: Int?
  var detailLevel: Int?
  enum CodingKeys: String, CodingKey {
    case code
    case cursor = "cursor_pos"
    case detailLevel = "detail_level"
  }

  /// In Unicode code points, inside the code; the end when the client says nothing.
  var clampedCursor: Int {
    let end = code.unicodeScalars.count
    return min(max(0, cursor ?? end), end)
  }
}

struct CodeOnly: Decodable { var code: String }

package struct HistoryRequest: Decodable, Sendable {
  package enum Access: String, Decodable, Sendable { case range, tail, search }
  package var access: Access
  package var output: Bool
  package var raw: Bool
  package var session: Int
  package var start: Int
  package var stop: Int?
  package var count: Int?
  package var pattern: String
  package var unique: Bool

  enum CodingKeys: String, CodingKey {
    case output, raw, session, start, stop, pattern, unique
    case access = "hist_access_type"
    case count = "n"
  }

  package init(from decoder: any Decoder) throws {
    let c = try decoder.container(keyedBy: CodingKeys.self)
    access = try c.decode(Access.self, forKey: .access)
    output = try c.decodeIfPresent(Bool.self, forKey: .output) ?? false
    raw = try c.decodeIfPresent(Bool.self, forKey: .raw) ?? true
    session = try c.decodeIfPresent(Int.self, forKey: .session) ?? 0
    start = try c.decodeIfPresent(Int.self, forKey: .start) ?? 0
    stop = try c.decodeIfPresent(Int.self, forKey: .stop)
    count = try c.decodeIfPresent(Int.self, forKey: .count)
    pattern = try c.decodeIfPresent(String.self, forKey: .pattern) ?? "*"
    unique = try c.decodeIfPresent(Bool.self, forKey: .unique) ?? false
  }
}

struct ShutdownRequest: Decodable {
  var restart: Bool?
}

/// Of `comm_open`, `comm_msg` and `comm_close`.
struct CommContent: Codable {
  var id: String
  var target: String?
  var data: JSONValue?
  enum CodingKeys: String, CodingKey {
    case id = "comm_id"
    case target = "target_name"
    case data
  }
}

struct CommInfoRequest: Decodable {
  var target: String?
  enum CodingKeys: String, CodingKey { case target = "target_name" }
}

struct InputReply: Decodable {
  var value: String
}

// MARK: - What the kernel sends

struct KernelInfoReply: Encodable {
  struct Language: Encodable {
    var name = "swift"
    var version: String
    var mimetype = "text/x-swift"
    var fileExtension = ".swift"
    var pygmentsLexer = "swift"
    var codemirrorMode = "swift"
    enum CodingKeys: String, CodingKey {
      case name, version, mimetype
      case fileExtension = "file_extension"
      case pygmentsLexer = "pygments_lexer"
      case codemirrorMode = "codemirror_mode"
    }
  }
  struct Link: Encodable {
    var text: String
    var url: String
  }
  var status = "ok"
  var protocolVersion = Session.protocolVersion
  var implementation = "swift-icl-kernel"
  var implementationVersion: String
  var language: Language
  var banner: String
  var debugger = false
  var helpLinks: [Link]
  var supportedFeatures: [String]
  enum CodingKeys: String, CodingKey {
    case status, implementation, banner, debugger
    case protocolVersion = "protocol_version"
    case implementationVersion = "implementation_version"
    case language = "language_info"
    case helpLinks = "help_links"
    case supportedFeatures = "supported_features"
  }
}

extension MIMEBundle {
  /// `data` and `metadata` as the wire has them: text forms as strings, JSON forms as JSON.
  var fields: [String: JSONValue] {
    let data = data.map { key, text in (key, MIMEType(rawValue: key).isJSON ? Self.json(text) : .string(text)) }
    return [
      "data": .object(Dictionary(uniqueKeysWithValues: data)), "metadata": .object(metadata.mapValues(Self.json)),
    ]
  }

  private static func json(_ text: String) -> JSONValue {
    (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .string(text)
  }
}

extension CellError {
  /// `ename`, `evalue` and `traceback`.
  var fields: [String: JSONValue] {
    [
      "ename": .string(name), "evalue": .string(value), "traceback": .array(traceback.map(JSONValue.string)),
    ]
  }
}
