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
  func execute(_ message: IncomingMessage) {
    let request: ExecuteRequest
    do { request = try message.content(as: ExecuteRequest.self) } catch {
      return refuse(message, error)
    }
    let parent = message.headerBytes
    let stored = request.storeHistory && !request.silent
    let count = state.withLock { state in
      if stored { state.executionCount += 1 }
      return state.executionCount
    }
    if !request.silent {
      iopub.publish("execute_input", ExecuteInput(code: request.code, execution_count: count), parent: parent)
    }
    if stored { history?.add(line: count, source: request.code) }

    let cell = CellRequest(
      code: request.code, cellID: message.metadata["cellId"]?.string, executionCount: count, silent: request.silent,
      storeHistory: stored, allowStdin: request.allowStdin, userExpressions: request.userExpressions)
    let outcome = runner.execute(cell) { [self] event in
      relay(event, of: message, count: count, silent: request.silent, stored: stored)
    }
    input.cancel()

    var reply: [String: JSONValue] = ["execution_count": .integer(count)]
    switch outcome {
    case .ok(let expressions):
      reply["status"] = .string("ok")
      reply["payload"] = .array([])
      reply["user_expressions"] = .object(expressions.mapValues(Self.content))
    case .error(let error):
      let content = JSONValue.from(ErrorContent(error))
      if !request.silent { iopub.publish("error", content, parent: parent) }
      if case .object(let fields) = content { reply.merge(fields) { own, _ in own } }
      reply["status"] = .string("error")
      reply["user_expressions"] = .object([:])
      reply["payload"] = .array([])
    }
    shell.reply(to: message, "execute_reply", reply)
    if case .error = outcome, request.stopOnError { abortWaiting(behind: message) }
  }

  private func relay(_ event: CellEvent, of message: IncomingMessage, count: Int, silent: Bool, stored: Bool) {
    let parent = message.headerBytes
    switch event {
    case .inputRequest(let prompt, let password, let reply):
      input.ask(.init(prompt: prompt, password: password), of: message, reply: reply)
    case _ where silent: break
    case .stream(let name, let text):
      iopub.publish("stream", Stream(name: name.rawValue, text: text), parent: parent)
    case .display(let bundle, let id, let update):
      var content = JSONValue.from(BundleContent(bundle))
      if case .object(var fields) = content {
        fields["transient"] = .object(id.map { ["display_id": .string($0)] } ?? [:])
        content = .object(fields)
      }
      iopub.publish(update ? "update_display_data" : "display_data", content, parent: parent)
    case .clearOutput(let wait):
      iopub.publish("clear_output", ["wait": wait], parent: parent)
    case .result(let bundle):
      var content = JSONValue.from(BundleContent(bundle))
      if case .object(var fields) = content {
        fields["execution_count"] = .integer(count)
        content = .object(fields)
      }
      iopub.publish("execute_result", content, parent: parent)
      if stored { history?.setOutput(bundle.plainText, line: count) }
    }
  }

  private static func content(_ outcome: ExpressionOutcome) -> JSONValue {
    let (status, content) =
      switch outcome {
      case .ok(let bundle): ("ok", JSONValue.from(BundleContent(bundle)))
      case .error(let error): ("error", JSONValue.from(ErrorContent(error)))
      }
    guard case .object(var fields) = content else { return content }
    fields["status"] = .string(status)
    return .object(fields)
  }

  /// After a failed cell the execute_requests that already wait in the same shell are answered `aborted`.
  private func abortWaiting(behind failed: IncomingMessage) {
    let worker = state.withLock { $0.workers[failed.header.subshellID ?? ""] }
    // Requests that arrived on the socket are in the worker's queue already: the channel's thread reads at once.
    let waiting = worker?.withdraw { $0.header.type == "execute_request" } ?? []
    for message in waiting {
      scope(message) {
        let count = state.withLock { $0.executionCount }
        shell.reply(
          to: message, "execute_reply",
          ["status": .string("aborted"), "execution_count": .integer(count)] as [String: JSONValue])
      }
    }
  }
}
