internal import Foundation
internal import Synchronization

/// `readLine()` in a cell: the question goes to the client that asked for the cell, the answer to the cell.
final class InputRequests: Sendable {
  private let channel: Channel
  private let iopub: IOPub
  private struct Waiting {
    /// The execute_request whose cell asks.
    let request: String
    let identities: [Data]
    let reply: @Sendable (String?) -> Void
  }
  /// Cells of subshells may ask while another cell's question is open: the newest question of a client is answered
  /// first, since that is the one its user sees.
  private let waiting = Mutex<[Waiting]>([])

  init(_ channel: Channel, after iopub: IOPub) {
    self.channel = channel
    self.iopub = iopub
  }

  func start() {
    channel.start { [self] message in
      guard message.header.type == "input_reply", let content = try? message.content(as: InputReply.self) else {
        return
      }
      let answered = waiting.withLock { list -> Waiting? in
        // An answer of another client is not an answer to this question.
        guard let index = list.lastIndex(where: { $0.identities == message.identities }) else { return nil }
        return list.remove(at: index)
      }
      answered?.reply(content.value)
    }
  }

  struct Question: Encodable {
    var prompt: String
    var password: Bool
  }

  func ask(_ question: Question, of request: IncomingMessage, reply: @escaping @Sendable (String?) -> Void) {
    waiting.withLock {
      $0.append(Waiting(request: request.header.id, identities: request.identities, reply: reply))
    }
    // A terminal's client shows what the cell has printed before it takes over the keyboard, and nothing afterwards: a
    // question that the cell printed itself must be there first. The two go over connections of their own, which a
    // client reads in no particular order when both have something: hence the head start.
    iopub.waitUntilSent()
    Thread.sleep(forTimeInterval: 0.005)
    // An interrupt may have ended it meanwhile.
    guard waiting.withLock({ list in list.contains { $0.request == request.header.id } }) else { return }
    channel.reply(to: request, "input_request", question)
  }

  /// Ends the questions that nobody will answer any more: those of one request whose cell is over or, after an
  /// interrupt, all.
  func cancel(of request: IncomingMessage? = nil) {
    let cancelled = waiting.withLock { list in
      let cancelled = list.filter { request == nil || $0.request == request?.header.id }
      list.removeAll { request == nil || $0.request == request?.header.id }
      return cancelled
    }
    for question in cancelled { question.reply(nil) }
  }

  func stop() {
    cancel()
    channel.stop()
  }
}
