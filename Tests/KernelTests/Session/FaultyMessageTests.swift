import Foundation
import Kernel
import Testing

/// What a damaged or forged message does to a session: it is logged, and nothing else happens.
@Suite(.timeLimit(.minutes(1))) struct FaultyMessageTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  /// Sends `frames`, then a good request on the same socket: only that one may be answered.
  private func expectDropped(_ frames: [Data], _ reason: String) throws {
    try client.send(frames)
    try client.expectNothingBut("kernel_info_request")
    #expect(test.log.text.contains(reason), "\(test.log.text)")
  }

  private func request() throws -> [Data] {
    try client.message("execute_request", .object(["code": .string("value 1")])).frames
  }

  @Test func `a forged, an empty and a replayed signature are dropped and logged`() throws {
    var forged = try request()
    forged[1] = Data(String(repeating: "a", count: 64).utf8)
    try expectDropped(forged, "the signature does not match")
    forged[1] = Data()
    try expectDropped(forged, "the signature does not match")
    #expect(test.runner.executed.isEmpty)

    let good = try request()
    try client.send(good)
    #expect(try client.next(on: .shell).type == "execute_reply")
    try expectDropped(good, "the signature was used before")
    #expect(test.runner.executed.count == 1)
  }

  @Test func `with any frame missing or doubled the session lives on`() throws {
    let count = try request().count
    for index in 0..<count {
      var cut = try request()
      cut.remove(at: index)
      try expectDropped(cut, index == 0 ? "no <IDS|MSG> frame" : "a message was dropped")
    }
    for index in 0..<count - 1 {
      var doubled = try request()
      doubled.insert(doubled[index], at: index)
      try expectDropped(doubled, "a message was dropped")
    }
    #expect(test.runner.executed.isEmpty)
  }

  @Test func `frames of random bytes harm nothing`() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<1_000 {
      let frames = (0..<Int.random(in: 1...9, using: &generator)).map { _ in
        Data((0..<Int.random(in: 0...60, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) })
      }
      try client.send(frames)
      try client.send(frames, on: .control)
      try client.send(frames, on: .stdin)
    }
    try client.expectNothingBut("kernel_info_request")
    try client.expectNothingBut("kernel_info_request", on: .control)
  }

  @Test func `a message of 50 MB is answered`() throws {
    let comment = "// " + String(repeating: "x", count: 50_000_000)
    let (reply, _) = try client.outcome(of: client.execute(comment))
    #expect(reply.content["status"] == .string("ok"))
    #expect(test.runner.executed.first?.code.utf8.count == 50_000_003)
  }

  @Test func `without a key nothing is signed and requests are answered`() throws {
    let open = try TestSession(key: "")
    let client = try open.client()
    let (reply, _) = try client.outcome(of: client.execute("value 1"))
    #expect(reply.content["status"] == .string("ok"))
  }
}
