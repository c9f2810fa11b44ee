internal import Foundation
internal import NotebookDisplay

extension Session {
  /// A request of the shell channel, on its worker's thread.
  func answerShell(_ message: IncomingMessage) {
    var aborted: [IncomingMessage] = []
    scope(message) {
      do throws(MessageFault) {
        switch message.header.type {
        case "execute_request": aborted = execute(message)
        case "kernel_info_request": shell.reply(to: message, "kernel_info_reply", kernelInfo)
        case "complete_request": try complete(message)
        case "inspect_request": try inspect(message)
        case "is_complete_request": try completeness(message)
        case "history_request": try answerHistory(message)
        case "comm_info_request": try answerCommInfo(message)
        case "comm_open": try receive(.open, message)
        case "comm_msg": try receive(.message, message)
        case "comm_close": try receive(.close, message)
        // Older clients ask this on the shell channel.
        case "interrupt_request": answerControlRequest(message, on: shell)
        default: refuseUnknown(message, on: shell)
        }
      } catch { refuse(message, error) }
    }
    for message in aborted { abort(message) }
  }

  /// A request of the control channel, on the channel's thread, also while a cell runs.
  func answerControl(_ message: IncomingMessage) {
    if message.header.type == "shutdown_request" { return shutDown(message, on: control) }
    scope(message) { answerControlRequest(message, on: control) }
  }

  private func answerControlRequest(_ message: IncomingMessage, on channel: Channel) {
    switch message.header.type {
    case "kernel_info_request": channel.reply(to: message, "kernel_info_reply", kernelInfo)
    case "interrupt_request":
      interrupt()
      channel.reply(to: message, "interrupt_reply", ["status": "ok"])
    case "create_subshell_request":
      let id = UUID().uuidString.lowercased()
      let worker = Worker(name: "subshell cells") { [self] in answerShell($0) }
      let isLate = state.withLock { state in
        if !state.isStopping { state.workers[id] = worker }
        return state.isStopping
      }
      if isLate {
        _ = worker.stop()
        return refuse(message, "the session is ending", on: channel)
      }
      channel.reply(to: message, "create_subshell_reply", ["status": "ok", "subshell_id": id])
    case "list_subshell_request":
      let ids = state.withLock { $0.workers.keys.filter { !$0.isEmpty }.sorted() }
      channel.reply(
        to: message, "list_subshell_reply",
        ["status": .string("ok"), "subshell_id": .array(ids.map(JSONValue.string))] as [String: JSONValue])
    case "delete_subshell_request":
      deleteSubshell(message, on: channel)
    case "usage_request":
      channel.reply(to: message, "usage_reply", usage.read())
    default: refuseUnknown(message, on: channel)
    }
  }

  private func deleteSubshell(_ message: IncomingMessage, on channel: Channel) {
    struct Request: Decodable { var subshell_id: String }
    let id = (try? message.content(as: Request.self))?.subshell_id ?? ""
    let worker = state.withLock { state -> Worker? in
      guard !id.isEmpty, let worker = state.workers.removeValue(forKey: id) else { return nil }
      state.leaving.removeAll { $0.join(by: .now()) }
      state.leaving.append(worker)
      return worker
    }
    guard let worker else { return refuseSubshell(id, of: message, on: channel) }
    let dropped = worker.stop()
    channel.reply(to: message, "delete_subshell_reply", ["status": "ok"])
    for request in dropped { abort(request) }
  }

  // MARK: - Language services

  private func complete(_ message: IncomingMessage) throws(MessageFault) {
    let request = try message.content(as: CodeAtCursor.self)
    let answer = runner.complete(code: request.code, cursor: request.clampedCursor)
    let types = answer.matches.map { match -> JSONValue in
      var fields: [String: JSONValue] = [
        "text": .string(match.text), "type": .string(match.type), "start": .integer(answer.cursorStart),
        "end": .integer(answer.cursorEnd),
      ]
      if let signature = match.signature { fields["signature"] = .string(signature) }
      return .object(fields)
    }
    let reply: [String: JSONValue] = [
      "status": .string("ok"), "matches": .array(answer.matches.map { .string($0.text) }),
      "cursor_start": .integer(answer.cursorStart), "cursor_end": .integer(answer.cursorEnd),
      "metadata": .object(["_jupyter_types_experimental": .array(types)]),
    ]
    shell.reply(to: message, "complete_reply", reply)
  }

  private func inspect(_ message: IncomingMessage) throws(MessageFault) {
    let request = try message.content(as: CodeAtCursor.self)
    let bundle = runner.inspect(
      code: request.code, cursor: request.clampedCursor, detailLevel: request.detailLevel ?? 0)
    var reply = (bundle ?? MIMEBundle()).fields
    reply["status"] = .string("ok")
    reply["found"] = .bool(bundle != nil)
    shell.reply(to: message, "inspect_reply", reply)
  }

  private func completeness(_ message: IncomingMessage) throws(MessageFault) {
    let request = try message.content(as: CodeOnly.self)
    let isQuestion = Question(request.code) != nil
    let reply: [String: String] =
      switch isQuestion ? .complete : runner.completeness(of: request.code) {
      case .complete: ["status": "complete"]
      case .incomplete(let indent): ["status": "incomplete", "indent": indent]
      case .invalid: ["status": "invalid"]
      }
    shell.reply(to: message, "is_complete_reply", reply)
  }

  private func answerHistory(_ message: IncomingMessage) throws(MessageFault) {
    let request = try message.content(as: HistoryRequest.self)
    let entries = (history?.entries(request) ?? []).map { entry -> JSONValue in
      let source = JSONValue.string(entry.source)
      let item = request.output ? .array([source, entry.output.map(JSONValue.string) ?? .null]) : source
      return .array([.integer(entry.session), .integer(entry.line), item])
    }
    let reply: [String: JSONValue] = ["status": .string("ok"), "history": .array(entries)]
    shell.reply(to: message, "history_reply", reply)
  }

  private var kernelInfo: KernelInfoReply {
    KernelInfoReply(
      implementationVersion: description.implementationVersion,
      language: .init(version: description.languageVersion), banner: description.banner,
      helpLinks: [
        .init(text: "The Swift Programming Language", url: "https://docs.swift.org/swift-book/")
      ] + description.helpLinks.map { .init(text: $0.text, url: $0.url) },
      supportedFeatures: ["kernel subshells"])
  }

  // MARK: - What can't be answered

  func refuseSubshell(_ id: String, of message: IncomingMessage, on channel: Channel) {
    let text = "no subshell has the id \"\(id)\""
    log.warning("\(message.header.type): \(text)")
    replyError(to: message, CellError(name: "NoSuchSubshell", value: text, traceback: [text]), on: channel)
  }

  func refuse(_ message: IncomingMessage, _ fault: MessageFault) { refuse(message, fault.description, on: shell) }

  private func refuse(_ message: IncomingMessage, _ reason: String, on channel: Channel) {
    log.warning("\(message.header.type) is refused: \(reason)")
    replyError(to: message, CellError(name: "InvalidRequest", value: reason, traceback: [reason]), on: channel)
  }

  /// Unknown requests get `busy`, `idle` and, when named like a request, an error reply of their own name.
  private func refuseUnknown(_ message: IncomingMessage, on channel: Channel) {
    log.warning("a message of unknown type is not acted on: \(message.header.type)")
    guard message.header.type.hasSuffix("_request") else { return }
    let text = "this kernel does not know \(message.header.type)"
    replyError(to: message, CellError(name: "UnknownRequest", value: text, traceback: [text]), on: channel)
  }

  private func replyError(to message: IncomingMessage, _ error: CellError, on channel: Channel) {
    guard message.header.type.hasSuffix("_request") else { return }
    var fields = error.fields
    fields["status"] = .string("error")
    if message.header.type == "execute_request" {
      fields["execution_count"] = .integer(state.withLock { $0.executionCount })
    }
    channel.reply(to: message, message.header.type.replacing(/_request$/, with: "_reply"), fields)
  }
}
