import Foundation
import Kernel
import Synchronization
import Testing

/// What a client may do to a socket without harm to the others.
@Suite(.timeLimit(.minutes(1))) struct SocketLoopTests {
  private let folder = URL(filePath: "/tmp/icl-\(UUID().uuidString.prefix(13))")
  private var address: String { "ipc://" + folder.appending(path: "s").path }
  private let context: SocketContext

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    context = try SocketContext()
  }

  /// An XPUB socket's loop that lets every subscriber in and counts them.
  private func publisher(patience: Duration) throws -> (SocketLoop, DispatchSemaphore) {
    let socket = try Socket(.xpub, in: context)
    try socket.bind(address)
    let loop = try SocketLoop(socket, name: "publisher", patience: patience)
    let admitted = DispatchSemaphore(value: 0)
    loop.start { frames, socket in
      socket.admit(Data(frames[0].dropFirst()))
      admitted.signal()
    }
    return (loop, admitted)
  }

  private func subscriber(_ admitted: DispatchSemaphore) throws -> Socket {
    let socket = try Socket(.sub, in: context)
    socket.lingerNot()
    socket.holdAtMost(8)
    socket.subscribe()
    try socket.connect(address)
    admitted.wait()
    return socket
  }

  @Test func `a subscriber that reads nothing loses output; the others get all of it, in order`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let (loop, admitted) = try publisher(patience: .milliseconds(200))
    let stalled = try subscriber(admitted)
    let reading = try subscriber(admitted)
    // Far more than libzmq's queues, the operating system's buffers and the loop's own room hold together.
    let count = 2000
    let line = Data(repeating: 0x78, count: 100_000)
    let sender = Thread { for number in 0..<count { loop.sendWhenRoom([Data("\(number)".utf8), line]) } }
    sender.start()
    for number in 0..<count {
      try #require(!Socket.poll([reading], timeout: .seconds(30)).isEmpty, "nothing came after \(number) messages")
      let frames = try #require(try reading.receive())
      #expect(String(decoding: frames[0], as: UTF8.self) == "\(number)")
    }
    // It is found out once, not again with each message: 2,000 waits would have taken minutes.
    var held = 0
    while try !Socket.poll([stalled], timeout: .milliseconds(200)).isEmpty, try stalled.receive() != nil { held += 1 }
    #expect(held > 0 && held < count)
    loop.stop()
    stalled.close()
    reading.close()
    context.terminate()
  }

  @Test func `a frame beyond the limit ends its client's connection and nobody else's`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let server = try Socket(.router, in: context)
    server.limitFrames(to: 1000)
    try server.bind(address)
    let loop = try SocketLoop(server, name: "server")
    loop.start { frames, _ in loop.send(frames) }
    func client() throws -> Socket {
      let socket = try Socket(.dealer, in: context)
      socket.lingerNot()
      try socket.connect(address)
      return socket
    }
    let (greedy, modest) = (try client(), try client())
    try greedy.send([Data(count: 1001)])
    try modest.send([Data(count: 1000)])
    #expect(try !Socket.poll([modest], timeout: .seconds(30)).isEmpty)
    #expect(try modest.receive()?.first?.count == 1000)
    #expect(try greedy.receive() == nil)
    loop.stop()
    greedy.close()
    modest.close()
    context.terminate()
  }
}
