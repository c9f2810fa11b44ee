internal import Foundation
internal import NotebookDisplay

/// Comms: what the page sends goes to the runner, what comes back goes to every client.
extension Session {
  func receive(_ kind: CommMessage.Kind, _ message: IncomingMessage) throws(MessageFault) {
    let content = try message.content(as: CommContent.self)
    let data = (try? JSONEncoder().encode(content.data ?? .object([:]))) ?? Data("{}".utf8)
    let comm = CommMessage(
      kind: kind, id: content.id, target: content.target ?? "", data: String(decoding: data, as: UTF8.self))
    let count = state.withLock { $0.executionCount }
    let outcome = runner.receive(comm) { [self, asked = message.envelope] event in
      if case .inputRequest(_, _, let reply) = event { return reply(nil) }
      relay(event, of: asked, count: count, silent: false, stored: false)
    }
    guard case .error(let error) = outcome else { return }
    // Nobody waits for a reply: what went wrong in a handler is shown where its output goes.
    let text = error.traceback.joined(separator: "\n") + "\n"
    relay(.stream(.stderr, text), of: message, count: count, silent: false, stored: false)
  }

  func answerCommInfo(_ message: IncomingMessage) throws(MessageFault) {
    let wanted = try message.content(as: CommInfoRequest.self).target
    let open = runner.comms.filter { wanted == nil || $0.value == wanted }
    let reply: [String: JSONValue] = [
      "status": .string("ok"), "comms": .object(open.mapValues { .object(["target_name": .string($0)]) }),
    ]
    shell.reply(to: message, "comm_info_reply", reply)
  }

  func publish(_ comm: CommMessage, parent: Data?) {
    let data = (try? JSONDecoder().decode(JSONValue.self, from: Data(comm.data.utf8))) ?? .string(comm.data)
    let content = CommContent(id: comm.id, target: comm.kind == .open ? comm.target : nil, data: data)
    let type =
      switch comm.kind {
      case .open: "comm_open"
      case .message: "comm_msg"
      case .close: "comm_close"
      }
    iopub.publishOutput(type, content, parent: parent)
  }
}
