package import Foundation

/// The header of a message, typed. Fields that a client leaves out stay empty.
package struct MessageHeader: Sendable, Equatable, Codable {
  package var id: String
  package var type: String
  package var session: String
  package var username: String
  package var date: String
  package var version: String
  /// JEP 91: the subshell that is to answer.
  package var subshellID: String?

  enum CodingKeys: String, CodingKey {
    case id = "msg_id"
    case type = "msg_type"
    case session, username, date, version
    case subshellID = "subshell_id"
  }

  package init(id: String, type: String, session: String, username: String, date: String, version: String) {
    self.id = id
    self.type = type
    self.session = session
    self.username = username
    self.date = date
    self.version = version
  }

  package init(from decoder: any Decoder) throws {
    let c = try decoder.container(keyedBy: CodingKeys.self)
    id = try c.decode(String.self, forKey: .id)
    type = try c.decode(String.self, forKey: .type)
    session = try c.decodeIfPresent(String.self, forKey: .session) ?? ""
    username = try c.decodeIfPresent(String.self, forKey: .username) ?? ""
    date = try c.decodeIfPresent(String.self, forKey: .date) ?? ""
    version = try c.decodeIfPresent(String.self, forKey: .version) ?? ""
    subshellID = try c.decodeIfPresent(String.self, forKey: .subshellID)
  }
}

/// Why some frames are not a message that this kernel accepts. Logged; nothing else happens.
package enum MessageFault: Error, Sendable, Equatable, CustomStringConvertible {
  case noDelimiter
  case missingFrames(found: Int)
  case wrongSignature
  case replayed
  case malformed(frame: String, reason: String)

  package var description: String {
    switch self {
    case .noDelimiter: "no <IDS|MSG> frame"
    case .missingFrames(let found): "expected a signature and 4 dictionaries after <IDS|MSG>, found \(found) frames"
    case .wrongSignature: "the signature does not match the key of the connection file"
    case .replayed: "the signature was used before"
    case .malformed(let frame, let reason): "the \(frame) is not what the protocol asks for: \(reason)"
    }
  }
}

/// A message as it came: the frames kept as bytes, the header typed. `content` is decoded by who handles the type.
package struct IncomingMessage: Sendable {
  package let identities: [Data]
  /// The header's own bytes: replies carry them as parent, untouched.
  package let headerBytes: Data
  package let header: MessageHeader
  package let metadataBytes: Data
  package let contentBytes: Data
  package let buffers: [Data]

  package static let delimiter = Data("<IDS|MSG>".utf8)

  /// Splits, checks and decodes the frames of one message.
  package init(frames: [Data], signer: Signer, replays: inout ReplayMemory) throws(MessageFault) {
    guard let split = frames.firstIndex(of: Self.delimiter) else { throw .noDelimiter }
    let rest = frames[(split + 1)...]
    guard rest.count >= 5 else { throw .missingFrames(found: rest.count) }
    let first = rest.startIndex
    let dictionaries = Array(rest[(first + 1)..<(first + 5)])
    guard signer.accepts(rest[first], for: dictionaries) else { throw .wrongSignature }
    // The decoder would take UTF-16 as well, and clients would get it back as the parent of replies.
    guard !dictionaries[0].contains(0) else { throw .malformed(frame: "header", reason: "not UTF-8") }
    do { header = try JSONDecoder().decode(MessageHeader.self, from: dictionaries[0]) } catch {
      throw .malformed(frame: "header", reason: Self.brief(error))
    }
    if signer.isEnabled, !replays.admit(rest[first]) { throw .replayed }
    identities = Array(frames[..<split])
    headerBytes = dictionaries[0]
    metadataBytes = dictionaries[2]
    contentBytes = dictionaries[3]
    buffers = Array(rest[(first + 5)...])
  }

  private init(envelopeOf message: IncomingMessage) {
    identities = message.identities
    headerBytes = message.headerBytes
    header = message.header
    metadataBytes = message.metadataBytes
    contentBytes = Data()
    buffers = []
  }

  /// Who asked, and what for: all that answers need which may come much later than the request.
  package var envelope: IncomingMessage { IncomingMessage(envelopeOf: self) }

  package func content<Content: Decodable>(as type: Content.Type) throws(MessageFault) -> Content {
    do { return try JSONDecoder().decode(type, from: contentBytes) } catch {
      throw .malformed(frame: "content of \(header.type)", reason: Self.brief(error))
    }
  }

  package var metadata: JSONValue { (try? JSONDecoder().decode(JSONValue.self, from: metadataBytes)) ?? .object([:]) }

  private static func brief(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "no \"\(key.stringValue)\""
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is of another type"
    default: "not valid JSON"
    }
  }
}
