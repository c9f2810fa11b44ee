package import Foundation

/// What every client sees: status, outputs, results. Welcomes each subscription (JEP 65).
package final class IOPub: Sendable {
  private let loop: SocketLoop
  private let messages: MessageFactory

  package init(_ socket: Socket, messages: MessageFactory) throws(KernelError) {
    loop = try SocketLoop(socket, name: "iopub")
    self.messages = messages
  }

  package func start() {
    loop.start { [loop, messages] frames, socket in
      // An XPUB socket reports subscriptions: 1 and the topic; 0 and the topic when one ends.
      guard let frame = frames.first, let kind = frame.first, kind <= 1 else { return }
      let topic = Data(frame.dropFirst())
      guard kind == 1 else { return socket.dismiss(topic) }
      // The topic is the first frame, so that the new subscriber's own filter lets the message in.
      let welcome = messages.frames(
        "iopub_welcome", ["subscription": String(decoding: topic, as: UTF8.self)], parent: nil, identities: [topic])
      socket.admit(topic)
      // At once, before anything that waits; only when another subscriber's queue is full it has to wait as well.
      if (try? socket.send(welcome)) != true { loop.send(welcome) }
    }
  }

  package func stop() { loop.stop() }

  package func publish(_ type: String, _ content: some Encodable, parent: Data?) {
    loop.send(frames(type, content, parent))
  }

  /// Publishes what a cell puts out. Holds the caller while clients are far behind.
  package func publishOutput(_ type: String, _ content: some Encodable, parent: Data?) {
    loop.sendWhenRoom(frames(type, content, parent))
  }

  /// Returns when what was published before is on its way: messages of other sockets could overtake it until then.
  func waitUntilSent() { loop.waitUntilSent(patience: .seconds(1)) }

  func status(_ state: String, parent: Data?) { publish("status", ["execution_state": state], parent: parent) }

  private func frames(_ type: String, _ content: some Encodable, _ parent: Data?) -> [Data] {
    messages.frames(type, content, parent: parent, identities: [Data("kernel.\(messages.session).\(type)".utf8)])
  }
}
