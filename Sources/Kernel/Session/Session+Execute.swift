internal import Foundation
internal import NotebookDisplay

extension Session {
  private struct ExecuteInput: Encodable {
    var code: String
    var execution_count: Int
  }
  private struct Stream: Encodable {
    var name: String
    var text: String
  }

  /// One execute_request on a worker's thread: `execute_input`, outputs, reply.
  /// - Returns: the requests that this one's failure aborts, to be answered once this one is over.
  func execute(_ message: IncomingMessage) -> [IncomingMessage] {
    let request: ExecuteRequest
    do { request = try message.content(as: ExecuteRequest.self) } catch {
      refuse(message, error)
      return []
    }
    let parent = message.headerBytes
    let stored = request.storeHistory && !request.silent
    let count = state.withLock { state in
      if stored { state.executionCount += 1 }
      return state.executionCount
    }
    if !request.silent {
      iopub.publish("execute_input", ExecuteInput(code: request.code, execution_count: count), parent: parent)
      let notice = state.withLock { state in
        defer { state.notice = nil }
        return state.notice
      }
      if let notice { iopub.publishOutput("stream", Stream(name: "stderr", text: notice), parent: parent) }
    }
    if stored { history?.add(line: count, source: request.code) }

    var reply: [String: JSONValue] = [
      "status": .string("ok"), "execution_count": .integer(count), "user_expressions": .object([:]),
      "payload": .array([]),
    ]
    var aborted: [IncomingMessage] = []
    switch run(request, message, count: count, stored: stored) {
    case .ok(let expressions, let payload):
      reply["user_expressions"] = .object(expressions.mapValues(Self.content))
      reply["payload"] = .array(payload)
    case .error(let error):
      if !request.silent { iopub.publish("error", error.fields, parent: parent) }
      reply.merge(error.fields) { own, _ in own }
      reply["status"] = .string("error")
      // Before the reply: what a client sends after it has seen the error is not aborted.
      if request.stopOnError, !request.silent { aborted = withdrawWaiting(behind: message) }
    }
    shell.reply(to: message, "execute_reply", reply)
    return aborted
  }

  /// What became of the code: a cell's outcome, or what a question asks of the client.
  private enum Answer {
    case ok([String: ExpressionOutcome], payload: [JSONValue])
    case error(CellError)
  }

  private func run(_ request: ExecuteRequest, _ message: IncomingMessage, count: Int, stored: Bool) -> Answer {
    let question = Question(request.code)
    let cell = CellRequest(
      // A question is answered here; its user expressions are still the runner's.
      code: question == nil ? request.code : "", cellID: message.metadata["cellId"]?.string, executionCount: count,
      silent: request.silent, storeHistory: stored, allowStdin: request.allowStdin,
      isSubshell: message.header.subshellID?.isEmpty == false,
      userExpressions: request.userExpressions)
    var payload: [JSONValue] = []
    if let question {
      switch answer(question) {
      case .page(let bundle): payload = [Self.payload(bundle)]
      case .end: payload = [.object(["source": .string("ask_exit"), "keepkernel": .bool(false)])]
      case .nothing(let text):
        relay(.stream(.stdout, text + "\n"), of: message, count: count, silent: request.silent, stored: false)
      }
      if request.userExpressions.isEmpty { return .ok([:], payload: payload) }
    }
    // The runner keeps this for what comes after the cell, from threads that outlive it.
    let outcome = runner.execute(cell) { [self, asked = message.envelope, silent = request.silent] event in
      if case .inputRequest(_, _, let reply) = event, !cell.allowStdin { return reply(nil) }
      relay(event, of: asked, count: count, silent: silent, stored: stored)
    }
    input.cancel(of: message)
    switch outcome {
    case .ok(let expressions): return .ok(expressions, payload: payload)
    // However the runner ended it: it was the shutdown that did.
    case .error where state.withLock(\.isStopping): return .error(Self.shutDownMeanwhile)
    case .error(let error): return .error(error)
    }
  }

  private static let shutDownMeanwhile = CellError(
    name: "Interrupted", value: "the kernel was shut down while the cell ran",
    traceback: ["Interrupted: the kernel was shut down while the cell ran"])

  func relay(_ event: CellEvent, of message: IncomingMessage, count: Int, silent: Bool, stored: Bool) {
    let parent = message.headerBytes
    switch event {
    case .inputRequest(let prompt, let password, let reply):
      input.ask(.init(prompt: prompt, password: password), of: message, reply: reply)
    case .comm(let comm): publish(comm, parent: parent)
    case _ where silent: break
    case .stream(let name, let text):
      iopub.publishOutput("stream", Stream(name: name.rawValue, text: text), parent: parent)
    case .display(let bundle, let id, let update):
      var content = bundle.fields
      content["transient"] = .object(id.map { ["display_id": .string($0)] } ?? [:])
      iopub.publishOutput(update ? "update_display_data" : "display_data", content, parent: parent)
    case .clearOutput(let wait):
      iopub.publishOutput("clear_output", ["wait": wait], parent: parent)
    case .result(let bundle):
      var content = bundle.fields
      content["execution_count"] = .integer(count)
      iopub.publishOutput("execute_result", content, parent: parent)
      if stored { history?.setOutput(bundle.plainText, line: count) }
    }
  }

  private static func content(_ outcome: ExpressionOutcome) -> JSONValue {
    var (status, fields) =
      switch outcome {
      case .ok(let bundle): ("ok", bundle.fields)
      case .error(let error): ("error", error.fields)
      }
    fields["status"] = .string(status)
    return .object(fields)
  }

  private static func payload(_ page: MIMEBundle) -> JSONValue {
    .object(["source": .string("page"), "data": page.fields["data"] ?? .object([:]), "start": .integer(0)])
  }

  /// The execute_requests that already wait in the same shell when a cell fails.
  private func withdrawWaiting(behind failed: IncomingMessage) -> [IncomingMessage] {
    // What the client sent before may still be on the socket.
    shell.waitUntilReceived()
    let worker = state.withLock { $0.workers[failed.header.subshellID ?? ""] }
    return worker?.withdraw { $0.header.type == "execute_request" } ?? []
  }

  /// Answers a request that is not carried out.
  func abort(_ message: IncomingMessage) {
    scope(message) {
      guard message.header.type.hasSuffix("_request") else { return }
      let count = state.withLock { $0.executionCount }
      let reply: [String: JSONValue] = ["status": .string("aborted"), "execution_count": .integer(count)]
      shell.reply(to: message, message.header.type.replacing(/_request$/, with: "_reply"), reply)
    }
  }
}
