import Foundation
import Kernel
import Testing

/// What an execute_request brings, in which order.
@Suite(.timeLimit(.minutes(1))) struct ExecuteTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  private func states(_ published: [TestClient.Received]) -> [String] {
    published.map { $0.content["execution_state"]?.string ?? $0.type }
  }

  @Test func `busy, the input, outputs, idle, and the reply`() throws {
    let (reply, published) = try client.outcome(of: client.execute("value 2"))
    #expect(states(published) == ["busy", "execute_input", "execute_result", "idle"])
    #expect(published[1].content["code"] == .string("value 2"))
    #expect(published[1].content["execution_count"] == .integer(1))
    #expect(published[2].content["data"]?["text/plain"] == .string("2"))
    #expect(published[2].content["execution_count"] == .integer(1))
    #expect(reply.type == "execute_reply")
    #expect(reply.content["status"] == .string("ok"))
    #expect(reply.content["execution_count"] == .integer(1))
    #expect(reply.content["payload"] == .array([]))
    #expect(reply.content["user_expressions"] == .object([:]))
  }

  @Test func `an error is published once and replied with the same three fields`() throws {
    let (reply, published) = try client.outcome(of: client.execute("fail why"))
    #expect(states(published) == ["busy", "execute_input", "error", "idle"])
    for content in [published[2].content, reply.content] {
      #expect(content["ename"] == .string("Failure"))
      #expect(content["evalue"] == .string("why"))
      #expect(content["traceback"] == .array([.string("line 1"), .string("line 2")]))
    }
    #expect(reply.content["status"] == .string("error"))
  }

  @Test func `silent publishes nothing and does not count`() throws {
    for code in ["value 1", "print x", "fail x", "show x"] {
      let (reply, published) = try client.outcome(of: client.execute(code, ["silent": .bool(true)]))
      #expect(states(published) == ["busy", "idle"], "\(code)")
      #expect(reply.content["execution_count"] == .integer(0))
    }
    let stored = try client.outcome(of: client.execute("value 1"))
    #expect(stored.reply.content["execution_count"] == .integer(1))
  }

  @Test func `without store_history the count stays`() throws {
    _ = try client.outcome(of: client.execute("value 1"))
    let (reply, published) = try client.outcome(of: client.execute("value 1", ["store_history": .bool(false)]))
    #expect(reply.content["execution_count"] == .integer(1))
    #expect(states(published) == ["busy", "execute_input", "execute_result", "idle"])
  }

  @Test func `streams, displays, updates and clearing keep their order`() throws {
    let (_, printed) = try client.outcome(of: client.execute("complain é"))
    #expect(printed[2].content == .object(["name": .string("stderr"), "text": .string("é")]))
    let (_, shown) = try client.outcome(of: client.execute("show x"))
    #expect(
      states(shown) == ["busy", "execute_input", "display_data", "clear_output", "update_display_data", "idle"])
    #expect(shown[2].content["transient"]?["display_id"] == .string("d"))
    #expect(shown[3].content["wait"] == .bool(true))
    #expect(shown[4].content["transient"]?["display_id"] == .string("d"))
  }

  @Test func `user expressions are answered one by one`() throws {
    let asked: JSONValue = .object(["good": .string("1"), "wrong": .string("bad")])
    let (reply, _) = try client.outcome(of: client.execute("value 1", ["user_expressions": asked]))
    let answers = reply.content["user_expressions"]
    #expect(answers?["good"]?["status"] == .string("ok"))
    #expect(answers?["good"]?["data"]?["text/plain"] == .string("1"))
    #expect(answers?["wrong"]?["status"] == .string("error"))
    #expect(answers?["wrong"]?["ename"] == .string("Failure"))
  }

  @Test func `a failure aborts exactly what was queued behind it`() throws {
    let gate = try client.execute("gate")
    test.runner.began.wait()
    // All of these wait on the socket or in the queue while the gate is shut.
    let failing = try client.execute("fail")
    let queued = try [client.execute("value 1"), client.execute("value 2")]
    let question = try client.send("kernel_info_request")
    #expect(try client.outcome(of: question).reply.type == "kernel_info_reply", "no cell aborts a question")
    test.runner.gate.signal()
    #expect(try client.outcome(of: gate).reply.content["status"] == .string("ok"))
    #expect(try client.outcome(of: failing).reply.content["status"] == .string("error"))
    for id in queued {
      let (reply, published) = try client.outcome(of: id)
      #expect(reply.content["status"] == .string("aborted"))
      #expect(states(published) == ["busy", "idle"])
    }
    #expect(try client.outcome(of: client.execute("value 3")).reply.content["status"] == .string("ok"))
    #expect(test.runner.executed.map(\.code) == ["gate", "fail", "value 3"])
  }

  @Test func `without stop_on_error the queue goes on`() throws {
    let gate = try client.execute("gate")
    test.runner.began.wait()
    let failing = try client.execute("fail", ["stop_on_error": .bool(false)])
    let queued = try client.execute("value 1")
    test.runner.gate.signal()
    for id in [gate, failing] { _ = try client.outcome(of: id) }
    #expect(try client.outcome(of: queued).reply.content["status"] == .string("ok"))
  }

  @Test func `a question opens a page, or says that nothing is known`() throws {
    let (reply, published) = try client.outcome(of: client.execute("known??"))
    let expected: JSONValue = .object([
      "source": .string("page"), "start": .integer(0),
      "data": .object(["text/plain": .string("let known: Int, level 1")]),
    ])
    #expect(reply.content["payload"] == .array([expected]))
    #expect(states(published) == ["busy", "execute_input", "idle"])
    let unknown = try client.outcome(of: client.execute("?strange"))
    #expect(unknown.reply.content["payload"] == .array([]))
    #expect(unknown.published[2].content["text"] == .string("Nothing is known of `strange`.\n"))
    for code in ["a ? b : c", "x?.y", "f(?)", "?1"] { _ = try client.outcome(of: client.execute(code)) }
    #expect(test.runner.executed.map(\.code) == ["a ? b : c", "x?.y", "f(?)", "?1"])
  }

  @Test func `a flood arrives whole, at the pace of who reads it, and the kernel answers meanwhile`() throws {
    let client = try test.client(queue: 8)
    let id = try client.execute("flood 1200")
    #expect(try client.beat("alive") == "alive")
    let asked = try client.send("kernel_info_request", on: .control)
    #expect(try client.next(on: .control).parent == asked)
    var (expected, lead) = (0, 0)
    while expected < 1200 {
      let message = try client.nextOnIOPub()
      guard message.parent == id, message.type == "stream" else { continue }
      #expect(message.content["text"]?.string?.hasPrefix("\(expected) ") == true)
      expected += 1
      lead = max(lead, test.runner.floodCount - expected)
    }
    // 100 kB each: 168 fit into the 16 MiB that wait unsent, 256 into libzmq's queue, 8 into the client's, and a few
    // are in the operating system's buffers. Without back-pressure all 1,200 would be ahead.
    #expect(lead < 500)
    #expect(try client.next(on: .shell).content["status"] == .string("ok"))
  }
}
