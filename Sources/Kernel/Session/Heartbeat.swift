internal import Foundation

/// Echoes what it gets, on a thread of its own, so that clients see the kernel live while a cell computes.
package final class Heartbeat: Sendable {
  private let loop: SocketLoop

  package init(_ socket: Socket) throws(KernelError) { loop = try SocketLoop(socket, name: "heartbeat") }

  package func start() {
    loop.start { [loop] frames, _ in loop.send(frames) }
  }

  package func stop() { loop.stop() }
}
