internal import Foundation
internal import Synchronization

/// `readLine()` in a cell: the question goes to the client that asked for the cell, the answer to the cell.
final class InputRequests: Sendable {
  private let channel: Channel
  private struct Waiting {
    let identities: [Data]
    let reply: @Sendable (String?) -> Void
  }
  private let waiting = Mutex<Waiting?>(nil)

  init(_ channel: Channel) { self.channel = channel }

  func start() {
    channel.start { [self] message in
      guard message.header.type == "input_reply", let content = try? message.content(as: InputReply.self) else {
        return
      }
      let waiting = waiting.withLock { state -> Waiting? in
        // An answer of another client is not an answer to this question.
        guard let current = state, current.identities == message.identities else { return nil }
        state = nil
        return current
      }
      waiting?.reply(content.value)
    }
  }

  struct Question: Encodable {
    var prompt: String
    var password: Bool
  }

  func ask(_ question: Question, of request: IncomingMessage, reply: @escaping @Sendable (String?) -> Void) {
    let previous = waiting.withLock { state in
      defer { state = Waiting(identities: request.identities, reply: reply) }
      return state
    }
    previous?.reply(nil)
    channel.reply(to: request, "input_request", question)
  }

  /// Ends a question that nobody will answer any more (interrupt, end of the cell).
  func cancel() {
    let waiting = waiting.withLock { state in
      defer { state = nil }
      return state
    }
    waiting?.reply(nil)
  }

  func stop() {
    cancel()
    channel.stop()
  }
}
