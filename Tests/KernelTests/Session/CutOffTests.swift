import Foundation
import Kernel
import Testing

/// What cuts a request off: interrupts, failures before it. It is answered all the same.
@Suite(.timeLimit(.minutes(1))) struct CutOffTests {
  private let test: TestSession
  private let client: TestClient

  init() throws {
    test = try TestSession()
    client = try test.client()
  }

  @Test(arguments: 0..<20) func `an interrupted question is an interrupt, not the end of the input`(_: Int) throws {
    let id = try client.execute("listen")
    _ = try client.next(on: .stdin)
    try client.send("interrupt_request", on: .control)
    let (reply, published) = try client.outcome(of: id)
    #expect(reply.content["ename"] == .string("Interrupted"))
    #expect(!published.contains { $0.type == "stream" })
  }

  @Test func `without allow_stdin nobody is asked, and the input is at its end`() throws {
    let id = try client.execute("ask", ["allow_stdin": .bool(false)])
    let (_, published) = try client.outcome(of: id)
    #expect(published[2].content["data"]?["text/plain"] == .string("end of file"))
  }

  @Test func `a silent failure aborts nothing`() throws {
    let running = try client.execute("gate")
    test.runner.began.wait()
    let silent = try client.execute("fail", ["silent": .bool(true)])
    let next = try client.execute("value 1")
    test.runner.gate.signal()
    _ = try client.outcome(of: running)
    #expect(try client.outcome(of: silent).reply.content["status"] == .string("error"))
    #expect(try client.outcome(of: next).reply.content["status"] == .string("ok"))
  }

  @Test func `a message recorded on one channel is not accepted on another`() throws {
    let (_, frames) = try client.message("kernel_info_request")
    try client.send(frames, on: .control)
    #expect(try client.next(on: .control).type == "kernel_info_reply")
    try client.send(frames, on: .shell)
    try client.expectNothingBut("comm_info_request")
  }

  @Test func `usage counts children that any thread of the kernel started`() throws {
    let child = Process()
    child.executableURL = URL(filePath: "/bin/sleep")
    child.arguments = ["30"]
    let started = DispatchSemaphore(value: 0)
    let over = DispatchSemaphore(value: 0)
    let thread = Thread {
      try? child.run()
      started.signal()
      over.wait()
    }
    thread.start()
    started.wait()
    defer {
      over.signal()
      child.terminate()
    }
    let own = Int(ProcessInfo.processInfo.processIdentifier)
    #expect(UsageMeter.children(of: own).contains(Int(child.processIdentifier)))
  }
}
