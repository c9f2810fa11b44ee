package import Foundation

/// Makes signed frames. One for the whole session; safe from any thread.
package struct MessageFactory: Sendable {
  package let session: String
  private let signer: Signer

  package init(session: String = UUID().uuidString.lowercased(), signer: Signer) {
    self.session = session
    self.signer = signer
  }

  /// - Parameters:
  ///   - identities: the routing frames of a reply, or the topic on IOPub.
  ///   - parent: the bytes of the request's header, untouched; empty when there is none.
  package func frames(
    _ type: String, _ content: some Encodable, parent: Data?, identities: [Data], metadata: JSONValue = .object([:])
  ) -> [Data] {
    let header = MessageHeader(
      id: UUID().uuidString.lowercased(), type: type, session: session, username: "kernel",
      date: Date.now.formatted(Self.dateFormat), version: Session.protocolVersion)
    let parts = [Self.encode(header), parent ?? Data("{}".utf8), Self.encode(metadata), Self.encode(content)]
    return identities + [IncomingMessage.delimiter, Data(signer.signature(of: parts))] + parts
  }

  private static let dateFormat = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  private static func encode(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    // Contents are made of strings, numbers and dictionaries: encoding fails only for infinities, which none holds.
    return (try? encoder.encode(value)) ?? Data("{}".utf8)
  }
}
