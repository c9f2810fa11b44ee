package import Foundation

/// What every client sees: status, outputs, results. Welcomes each subscription (JEP 65).
package final class IOPub: Sendable {
  private let loop: SocketLoop
  private let messages: MessageFactory

  package init(_ socket: Socket, messages: MessageFactory) {
    loop = SocketLoop(socket, name: "iopub")
    self.messages = messages
  }

  package func start() {
    loop.start { [loop, messages] frames in
      // An XPUB socket reports subscriptions: 1 and the topic; 0 and the topic when one ends.
      guard let frame = frames.first, frame.first == 1 else { return }
      let topic = frame.dropFirst()
      loop.send(
        messages.frames(
          "iopub_welcome", ["subscription": String(decoding: topic, as: UTF8.self)], parent: nil,
          identities: [Data(topic)]))
    }
  }

  package func stop() { loop.stop() }

  package func publish(_ type: String, _ content: some Encodable, parent: Data?) {
    loop.send(
      messages.frames(type, content, parent: parent, identities: [Data("kernel.\(messages.session).\(type)".utf8)]))
  }

  func status(_ state: String, parent: Data?) { publish("status", ["execution_state": state], parent: parent) }
}
