import Foundation
import Kernel
import Testing

/// How a session ends: every request is answered, everything queued goes out, ports are given back.
@Suite(.timeLimit(.minutes(1))) struct EndTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  private func states(_ published: [TestClient.Received]) -> [String] {
    published.map { $0.content["execution_state"]?.string ?? $0.type }
  }

  @Test(arguments: [true, false]) func `shutdown is replied, published and then done`(restart: Bool) throws {
    let running = try client.execute("wait")
    test.runner.began.wait()
    let id = try client.send("shutdown_request", .object(["restart": .bool(restart)]), on: .control)
    let (reply, published) = try client.outcome(of: id, on: .control)
    #expect(reply.type == "shutdown_reply")
    #expect(reply.content == .object(["status": .string("ok"), "restart": .bool(restart)]))
    #expect(states(published) == ["busy", "shutdown_reply", "idle"])
    test.session.wait()
    #expect(test.runner.shutdownCount == 1)
    #expect(test.runner.executed.count == 1, "nothing runs after \(running)")
  }

  /// The order on IOPub shows that nothing is left open when the shutdown is answered; 50 waiting cells make a queue
  /// that a race would cut somewhere.
  @Test(arguments: 0..<5, ["control", "shell", "signal"])
  func `what waits is answered as aborted, and what runs as interrupted, before the end`(_: Int, by: String) throws {
    let running = try client.execute("wait")
    test.runner.began.wait()
    let waiting = try (0..<50).map { try client.execute("value \($0)") }
    var shutdown: String?
    switch by {
    case "control": shutdown = try client.send("shutdown_request", on: .control)
    case "shell": shutdown = try client.send("shutdown_request", on: .shell)
    default:
      // Behind the cells on the same socket: once it is answered, they have arrived.
      _ = try client.send("kernel_info_request")
      #expect(try client.next(on: .shell).type == "kernel_info_reply")
      Thread.detachNewThread { [session = test.session] in session.stop() }
    }
    // Each request has said busy and idle; of a shutdown_request, its own idle is the last word.
    var open = Set(waiting + [running])
    while true {
      let message = try client.nextOnIOPub()
      guard message.content["execution_state"] == .string("idle"), let parent = message.parent else { continue }
      if parent == shutdown { break }
      open.remove(parent)
      if shutdown == nil, open.isEmpty { break }
    }
    #expect(open.isEmpty)
    var replies: [String: TestClient.Received] = [:]
    while replies.count < 51 + (by == "shell" ? 1 : 0) {
      let reply = try client.next(on: .shell)
      if let parent = reply.parent { replies[parent] = reply }
    }
    for id in waiting { #expect(replies[id]?.content["status"] == .string("aborted")) }
    #expect(replies[running]?.content["ename"] == .string("Interrupted"))
    #expect(test.runner.executed.count == 1)
    test.session.wait()
  }

  @Test func `a second shutdown_request and a signal during the first harm nothing`() throws {
    _ = try client.execute("wait")
    test.runner.began.wait()
    let id = try client.send("shutdown_request", on: .control)
    // The first has begun when it says busy: a signal that overtook it would end the session before it is read.
    while try client.nextOnIOPub().parent != id {}
    _ = try client.send("shutdown_request", on: .shell)
    Thread.detachNewThread { [session = test.session] in session.stop() }
    #expect(try client.next(on: .control).parent == id)
    test.session.wait()
    #expect(test.runner.shutdownCount == 1)
  }

  @Test func `the last cell of a deleted subshell is answered before the end`() throws {
    let created = try client.outcome(of: client.send("create_subshell_request", on: .control), on: .control)
    let subshell = try #require(created.reply.content["subshell_id"]?.string)
    let cell = try client.execute("wait", subshell: subshell)
    test.runner.began.wait()
    let content: JSONValue = .object(["subshell_id": .string(subshell)])
    _ = try client.outcome(of: client.send("delete_subshell_request", content, on: .control), on: .control)
    test.session.stop()
    #expect(try client.next(on: .shell).parent == cell)
  }

  @Test func `a runner that does not return is not waited for without end`() throws {
    _ = try client.execute("stuck")
    test.runner.began.wait()
    defer { test.runner.release.signal() }
    let id = try client.send("shutdown_request", on: .control)
    #expect(try client.next(on: .control).parent == id)
    test.session.wait()
  }

  @Test func `stopping twice, or before the start, hangs nowhere`() throws {
    test.session.stop()
    test.session.stop()
    let connection = ConnectionFile(
      shellPort: 0, iopubPort: 0, stdinPort: 0, controlPort: 0, heartbeatPort: 0, key: "")
    let session = try Session(
      connection: connection, runner: FakeRunner(), history: nil,
      description: .init(implementationVersion: "0", languageVersion: "6.3", banner: ""), log: test.log.logger)
    session.stop()
    session.wait()
  }

  @Test func `a port that is taken is named`() throws {
    let context = try SocketContext()
    let taken = try Socket(.rep, in: context)
    try taken.bind("tcp://127.0.0.1:*")
    defer {
      taken.close()
      context.terminate()
    }
    let port = try #require(taken.boundAddress.split(separator: ":").last.flatMap { Int($0) })
    let connection = ConnectionFile(
      shellPort: 0, iopubPort: port, stdinPort: 0, controlPort: 0, heartbeatPort: 0, key: "")
    let error = try #require(throws: KernelError.self) {
      try Session(
        connection: connection, runner: FakeRunner(), history: nil,
        description: .init(implementationVersion: "0", languageVersion: "6.3", banner: ""), log: test.log.logger)
    }
    #expect(error.location == "tcp://127.0.0.1:\(port)")
    #expect(error.found == "Address already in use")
  }
}
