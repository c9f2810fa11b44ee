internal import Foundation
internal import Logging
internal import Synchronization

/// A ROUTER socket on which requests arrive and replies leave. Bad messages are logged and go no further.
final class Channel: Sendable {
  private let loop: SocketLoop
  private let messages: MessageFactory
  private let signer: Signer
  private let replays: SharedReplayMemory
  private let log: Logger
  private let name: String

  init(
    _ socket: Socket, name: String, messages: MessageFactory, signer: Signer, replays: SharedReplayMemory, log: Logger
  ) throws(KernelError) {
    loop = try SocketLoop(socket, name: name)
    self.messages = messages
    self.signer = signer
    self.replays = replays
    self.log = log
    self.name = name
  }

  /// - Parameter handle: called on the channel's thread; hands long work to a worker.
  func start(_ handle: @escaping @Sendable (IncomingMessage) -> Void) {
    loop.start { [self] frames, _ in
      do {
        let message = try replays.memory.withLock { try IncomingMessage(frames: frames, signer: signer, replays: &$0) }
        handle(message)
      } catch {
        log.warning("\(name): a message was dropped: \(error)")
      }
    }
  }

  /// Sends `type` to the client that `request` came from, as an answer to it.
  func reply(to request: IncomingMessage, _ type: String, _ content: some Encodable) {
    loop.send(messages.frames(type, content, parent: request.headerBytes, identities: request.identities))
  }

  /// Returns when what had arrived on the socket was handled.
  func waitUntilReceived() { loop.waitUntilReceived() }

  func stop() { loop.stop() }
}
