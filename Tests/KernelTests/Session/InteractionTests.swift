import Foundation
import Kernel
import Testing

/// Standard input, interrupts, several clients, subshells, the end.
@Suite(.timeLimit(.minutes(1))) struct InteractionTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  @Test func `a cell's question is answered by the client that asked for the cell`() throws {
    let other = try test.client()
    let id = try client.execute("ask name?")
    let question = try client.next(on: .stdin)
    #expect(question.type == "input_request")
    #expect(question.parent == id)
    #expect(question.content == .object(["prompt": .string("name?"), "password": .bool(false)]))
    try other.send("input_reply", .object(["value": .string("not mine to answer")]), on: .stdin)
    try client.send("input_reply", .object(["value": .string("Ada")]), on: .stdin)
    let (_, published) = try client.outcome(of: id)
    #expect(published[2].content["data"]?["text/plain"] == .string("Ada"))
  }

  @Test func `an interrupt ends a question`() throws {
    let id = try client.execute("ask")
    _ = try client.next(on: .stdin)
    _ = try client.send("interrupt_request", on: .control)
    let (_, published) = try client.outcome(of: id)
    #expect(published[2].content["data"]?["text/plain"] == .string("end of file"))
  }

  @Test func `an interrupt ends a cell, aborts what waits and leaves the session as it was`() throws {
    let id = try client.execute("wait")
    test.runner.began.wait()
    let waiting = try client.execute("value 1")
    let interrupt = try client.send("interrupt_request", on: .control)
    #expect(try client.next(on: .control).parent == interrupt)
    let (reply, _) = try client.outcome(of: id)
    #expect(reply.content["status"] == .string("error"))
    #expect(reply.content["ename"] == .string("Interrupted"))
    #expect(try client.outcome(of: waiting).reply.content["status"] == .string("aborted"))
    #expect(try client.outcome(of: client.execute("value 2")).reply.content["execution_count"] == .integer(2))
  }

  @Test func `two clients each get their own replies and both see everything`() throws {
    let other = try test.client()
    let first = try client.execute("value 1")
    _ = try client.outcome(of: first)
    let second = try other.execute("value 2")
    let (reply, _) = try other.outcome(of: second)
    #expect(reply.content["execution_count"] == .integer(2))
    #expect(try client.published(of: second).contains { $0.type == "execute_result" })
    try client.expectNothingBut("kernel_info_request")
  }

  @Test func `a client that subscribes to one topic is welcomed with it and sees only that`() throws {
    let topic = "kernel."
    let narrow = try test.client(topic: topic)
    _ = try client.outcome(of: client.execute("value 1"))
    let message = try narrow.nextOnIOPub()
    #expect(message.topic.starts(with: Data(topic.utf8)))
  }

  @Test func `the heartbeat returns what it gets while a cell runs`() throws {
    let id = try client.execute("gate")
    test.runner.began.wait()
    #expect(try client.beat("ping") == "ping")
    test.runner.gate.signal()
    _ = try client.outcome(of: id)
  }

  // MARK: Subshells

  private func createSubshell() throws -> String {
    let (reply, _) = try client.outcome(of: client.send("create_subshell_request", on: .control), on: .control)
    return try #require(reply.content["subshell_id"]?.string)
  }

  private func subshells() throws -> JSONValue? {
    try client.outcome(of: client.send("list_subshell_request", on: .control), on: .control)
      .reply.content["subshell_id"]
  }

  @Test func `a subshell answers while the main shell is busy`() throws {
    let subshell = try createSubshell()
    #expect(try subshells() == .array([.string(subshell)]))
    let busy = try client.execute("gate")
    test.runner.began.wait()
    let asked = try client.execute("value 5", subshell: subshell)
    let (reply, published) = try client.outcome(of: asked)
    #expect(reply.content["status"] == .string("ok"))
    #expect(published.contains { $0.type == "execute_result" })
    test.runner.gate.signal()
    #expect(try client.outcome(of: busy).reply.content["execution_count"] == .integer(1))
  }

  @Test func `a failure in one shell aborts nothing in another`() throws {
    let subshell = try createSubshell()
    let busy = try client.execute("gate")
    test.runner.began.wait()
    let waiting = try client.execute("value 1")
    _ = try client.outcome(of: client.execute("fail", subshell: subshell))
    test.runner.gate.signal()
    _ = try client.outcome(of: busy)
    #expect(try client.outcome(of: waiting).reply.content["status"] == .string("ok"))
  }

  @Test func `a deleted subshell is gone; what was asked of it is answered with an error`() throws {
    let subshell = try createSubshell()
    let content: JSONValue = .object(["subshell_id": .string(subshell)])
    let delete = try client.outcome(of: client.send("delete_subshell_request", content, on: .control), on: .control)
    #expect(delete.reply.content["status"] == .string("ok"))
    #expect(try subshells() == .array([]))
    let late = try client.outcome(of: client.execute("value 1", subshell: subshell))
    #expect(late.reply.content["ename"] == .string("NoSuchSubshell"))
    let again = try client.outcome(of: client.send("delete_subshell_request", content, on: .control), on: .control)
    #expect(again.reply.content["status"] == .string("error"))
  }
}
