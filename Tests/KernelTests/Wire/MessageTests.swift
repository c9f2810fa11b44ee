import Foundation
import Kernel
import Testing

/// The frames of a message, whole and damaged in every way that a socket can bring.
@Suite struct MessageTests {
  private let signer = Signer(key: "a key")
  private static let header = #"{"msg_id":"1","msg_type":"execute_request","session":"s","username":"u","date":"d"}"#

  private func frames(
    _ dictionaries: [String] = [header, "{}", "{}", #"{"code":"1"}"#], identities: [String] = ["client"],
    buffers: [String] = []
  ) -> [Data] {
    let parts = dictionaries.map { Data($0.utf8) }
    return identities.map { Data($0.utf8) } + [IncomingMessage.delimiter, Data(signer.signature(of: parts))] + parts
      + buffers.map { Data($0.utf8) }
  }

  private func read(_ frames: [Data]) throws(MessageFault) -> IncomingMessage {
    var replays = ReplayMemory()
    return try IncomingMessage(frames: frames, signer: signer, replays: &replays)
  }

  @Test func `a whole message keeps its identities, bytes and buffers`() throws {
    let message = try read(frames(identities: ["a", "", "b"], buffers: ["x", "y"]))
    #expect(message.identities == ["a", "", "b"].map { Data($0.utf8) })
    #expect(message.headerBytes == Data(Self.header.utf8))
    #expect(message.header.type == "execute_request")
    #expect(message.header.version.isEmpty)
    #expect(message.buffers == [Data("x".utf8), Data("y".utf8)])
    #expect(try message.content(as: ExecuteRequest.self).code == "1")
  }

  @Test func `without any one frame it is refused`() {
    let whole = frames()
    for index in whole.indices.dropFirst() {
      var cut = whole
      cut.remove(at: index)
      #expect(throws: MessageFault.self, "frame \(index)") { try read(cut) }
    }
    #expect(throws: Never.self, "an identity is the router's business") { try read(Array(whole.dropFirst())) }
    #expect(throws: MessageFault.noDelimiter) { try read([]) }
  }

  @Test func `with any signed frame doubled it is refused`() {
    let whole = frames()
    for index in 1..<whole.count - 1 {
      var doubled = whole
      doubled.insert(whole[index], at: index)
      // Doubling the metadata, equal to the parent, shifts content out: the signature tells.
      #expect(throws: MessageFault.self, "frame \(index)") { try read(doubled) }
    }
  }

  @Test func `a header that is no JSON, no object or lacks its type is refused with the reason`() {
    func fault(_ header: String) -> MessageFault? {
      #expect(throws: MessageFault.self) { try read(frames([header, "{}", "{}", "{}"])) }
    }
    #expect(fault("{") == .malformed(frame: "header", reason: "not valid JSON"))
    #expect(fault("") == .malformed(frame: "header", reason: "not valid JSON"))
    #expect(fault("[]") == .malformed(frame: "header", reason: "\"\" is of another type"))
    #expect(fault(#"{"msg_id":"1"}"#) == .malformed(frame: "header", reason: "no \"msg_type\""))
    #expect(
      fault(#"{"msg_id":1,"msg_type":"x"}"#)
        == .malformed(frame: "header", reason: "\"msg_id\" is of another type"))
  }

  @Test func `JSON in another encoding than UTF-8 is refused`() throws {
    var parts = ["", "{}", "{}", "{}"].map { Data($0.utf8) }
    parts[0] = try #require(Self.header.data(using: .utf16LittleEndian))
    let frames = [IncomingMessage.delimiter, Data(signer.signature(of: parts))] + parts
    #expect(throws: MessageFault.malformed(frame: "header", reason: "not UTF-8")) { try read(frames) }
  }

  @Test func `the same message is accepted once`() throws {
    var replays = ReplayMemory()
    _ = try IncomingMessage(frames: frames(), signer: signer, replays: &replays)
    #expect(throws: MessageFault.replayed) {
      try IncomingMessage(frames: frames(), signer: signer, replays: &replays)
    }
  }

  @Test func `a wrong signature does not use up the right one`() throws {
    var replays = ReplayMemory()
    var forged = frames()
    forged[2] = Data(String(repeating: "0", count: 64).utf8)
    #expect(throws: MessageFault.wrongSignature) {
      try IncomingMessage(frames: forged, signer: signer, replays: &replays)
    }
    #expect(throws: Never.self) { try IncomingMessage(frames: frames(), signer: signer, replays: &replays) }
  }

  @Test func `random bytes are refused and harm nothing`() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      var damaged = frames()
      let frame = Int.random(in: 1..<damaged.count, using: &generator)
      let length = Int.random(in: 0..<40, using: &generator)
      let bytes = Data((0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) })
      guard bytes != damaged[frame] else { continue }
      damaged[frame] = bytes
      #expect(throws: MessageFault.self) { try read(damaged) }
    }
  }

  @Test func `content of another shape names the field`() throws {
    let message = try read(frames([Self.header, "{}", "{}", #"{"code":7}"#]))
    #expect(throws: MessageFault.malformed(frame: "content of execute_request", reason: "\"code\" is of another type"))
    {
      try message.content(as: ExecuteRequest.self)
    }
  }

  @Test func `a message of our own reads back, signed, dated and with an id of its own`() throws {
    let factory = MessageFactory(signer: signer)
    let parent = Data(Self.header.utf8)
    let sent = (0..<2).map { _ in
      factory.frames("status", ["execution_state": "idle"], parent: parent, identities: [Data("t".utf8)])
    }
    let messages = try sent.map { try read($0) }
    #expect(messages[0].header.id != messages[1].header.id)
    #expect(messages[0].header.session == factory.session)
    #expect(messages[0].header.version == Session.protocolVersion)
    #expect(sent[0][4] == parent)
    #expect(
      try Date(messages[0].header.date, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) <= .now)
  }
}
