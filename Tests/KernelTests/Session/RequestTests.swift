import Foundation
import Kernel
import Testing

/// Every request but execute_request: its reply, and busy and idle around it.
@Suite(.timeLimit(.minutes(1))) struct RequestTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  @Test(arguments: [
    ("kernel_info_request", JSONValue.object([:])),
    ("complete_request", .object(["code": .string("pr"), "cursor_pos": .integer(2)])),
    ("inspect_request", .object(["code": .string("known"), "cursor_pos": .integer(5), "detail_level": .integer(0)])),
    ("is_complete_request", .object(["code": .string("1")])),
    ("history_request", .object(["hist_access_type": .string("tail"), "n": .integer(1)])),
    ("comm_info_request", .object([:])),
    ("interrupt_request", .object([:])),
  ])
  func `each request has its reply between busy and idle`(type: String, content: JSONValue) throws {
    let (reply, published) = try client.outcome(of: client.send(type, content))
    #expect(reply.type == type.replacing("_request", with: "_reply"))
    #expect(reply.content["status"] == .string("ok") || type == "is_complete_request")
    #expect(published.map { $0.content["execution_state"] } == [.string("busy"), .string("idle")])
  }

  @Test(arguments: [
    ("kernel_info_request", JSONValue.object([:])),
    ("complete_request", .object(["code": .string("pr"), "cursor_pos": .integer(2)])),
    ("inspect_request", .object(["code": .string("known"), "cursor_pos": .integer(5), "detail_level": .integer(0)])),
    ("is_complete_request", .object(["code": .string("1")])),
    ("history_request", .object(["hist_access_type": .string("tail"), "n": .integer(1)])),
    ("comm_info_request", .object([:])),
    ("comm_open", .object(["comm_id": .string("c"), "target_name": .string("t"), "data": .object([:])])),
    ("strange_request", .object([:])),
  ])
  func `what runs no cell is answered on the shell while a cell runs`(type: String, content: JSONValue) throws {
    let cell = try client.execute("gate")
    test.runner.began.wait()
    let behind = try client.execute("value 1")
    let id = try client.send(type, content)
    let states = try client.published(of: id).map { $0.content["execution_state"]?.string ?? $0.type }
    #expect(states == (type == "comm_open" ? ["busy", "comm_close", "idle"] : ["busy", "idle"]))
    if type.hasSuffix("_request") {
      let reply = try client.next(on: .shell)
      #expect(reply.parent == id)
      #expect(reply.type == type.replacing("_request", with: "_reply"))
    }
    #expect(test.runner.executed.count == 1, "cells wait for one another all the same")
    test.runner.gate.signal()
    _ = try client.outcome(of: cell)
    #expect(try client.outcome(of: behind).reply.content["status"] == .string("ok"))
  }

  @Test(arguments: ["kernel_info_request", "usage_request", "interrupt_request", "list_subshell_request"])
  func `control requests are answered while a cell runs`(type: String) throws {
    let cell = try client.execute("gate")
    test.runner.began.wait()
    let id = try client.send(type, on: .control)
    let reply = try client.next(on: .control)
    #expect(reply.parent == id)
    #expect(reply.type == type.replacing("_request", with: "_reply"))
    test.runner.gate.signal()
    _ = try client.outcome(of: cell)
  }

  @Test func `a request without its fields, and one of unknown type, get an error of their own name`() throws {
    for (type, name) in [
      ("complete_request", "InvalidRequest"), ("execute_request", "InvalidRequest"),
      ("history_request", "InvalidRequest"), ("strange_request", "UnknownRequest"),
    ] {
      let (reply, published) = try client.outcome(of: client.send(type))
      #expect(reply.type == type.replacing("_request", with: "_reply"))
      #expect(reply.content["status"] == .string("error"))
      #expect(reply.content["ename"] == .string(name))
      #expect(published.count == 2, "busy and idle, nothing else")
    }
  }

  @Test func `what is no request gets busy and idle only`() throws {
    let id = try client.send("strange")
    #expect(try client.published(of: id).count == 2)
    try client.expectNothingBut("kernel_info_request")
  }

  @Test func `completion carries types; a cursor outside the code is moved inside`() throws {
    let asked: JSONValue = .object(["code": .string("👩‍🔬pr"), "cursor_pos": .integer(99)])
    let (reply, _) = try client.outcome(of: client.send("complete_request", asked))
    // Three code points make the emoji: the cursor counts them, not what is seen.
    #expect(reply.content["cursor_end"] == .integer(5))
    #expect(reply.content["cursor_start"] == .integer(3))
    #expect(reply.content["matches"] == .array([.string("print")]))
    guard case .array(let types) = reply.content["metadata"]?["_jupyter_types_experimental"] else {
      Issue.record("no types")
      return
    }
    #expect(types.first?["type"] == .string("function"))
    #expect(types.first?["start"] == .integer(3))
  }

  @Test func `inspection says whether something was found`() throws {
    func found(_ code: String) throws -> JSONValue? {
      let (reply, _) = try client.outcome(
        of: client.send("inspect_request", .object(["code": .string(code), "cursor_pos": .integer(0)])))
      #expect(reply.content["data"] != nil && reply.content["metadata"] != nil)
      return reply.content["found"]
    }
    #expect(try found("known") == .bool(true))
    #expect(try found("unknown") == .bool(false))
  }

  @Test func `completeness has its three answers, and a question is complete`() throws {
    func status(_ code: String) throws -> TestClient.Received {
      try client.outcome(of: client.send("is_complete_request", .object(["code": .string(code)]))).reply
    }
    #expect(try status("1").content["status"] == .string("complete"))
    #expect(try status("{").content == .object(["status": .string("incomplete"), "indent": .string("  ")]))
    #expect(try status(")").content["status"] == .string("invalid"))
    #expect(try status("?x").content["status"] == .string("complete"))
  }

  @Test func `an unknown comm target is closed at once`() throws {
    let id = try client.send(
      "comm_open", .object(["comm_id": .string("c"), "target_name": .string("t"), "data": .object([:])]))
    let published = try client.published(of: id)
    #expect(published.map(\.type) == ["status", "comm_close", "status"])
    #expect(published[1].content["comm_id"] == .string("c"))
  }

  @Test func `kernel_info says what this kernel is and nothing it is not`() throws {
    let (reply, _) = try client.outcome(of: client.send("kernel_info_request"))
    let language = reply.content["language_info"]
    #expect(language?["name"] == .string("swift"))
    #expect(language?["file_extension"] == .string(".swift"))
    #expect(language?["mimetype"] == .string("text/x-swift"))
    #expect(reply.content["protocol_version"] == .string("5.5"))
    #expect(reply.content["debugger"] == .bool(false))
    #expect(reply.content["supported_features"] == .array([.string("kernel subshells")]))
  }
}
