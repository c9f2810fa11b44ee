import Foundation
import Kernel
import Synchronization
import Testing

/// A Jupyter client reduced to what tests look at: four libzmq sockets, every message read and checked.
final class TestClient {
  enum Channel { case shell, control, stdin }

  struct Received {
    let topic: Data
    let header: MessageHeader
    /// The `msg_id` of the request that this message answers.
    let parent: String?
    let content: JSONValue
    var type: String { header.type }
  }

  struct TimedOut: Error, CustomStringConvertible {
    let description: String
  }

  private let context: SocketContext
  private let shell: Socket
  private let control: Socket
  private let stdin: Socket
  private let iopub: Socket
  private let heartbeat: Socket
  private let signer: Signer
  private let session = UUID().uuidString
  private var replays = ReplayMemory()

  /// Connects and waits for the welcome, from which on nothing on IOPub is missed.
  /// - Parameter queue: how many unread messages of IOPub the client holds; 0 for any number.
  init(_ connection: ConnectionFile, topic: String = "", queue: Int32 = 0) throws {
    let context = try SocketContext()
    func connected(_ kind: Socket.Kind, _ port: Int, _ identity: String? = nil) throws -> Socket {
      let socket = try Socket(kind, in: context)
      if let identity { socket.identify(as: identity) }
      if kind == .sub {
        socket.holdAtMost(queue)
        socket.subscribe(topic)
      }
      try socket.connect(connection.address(port: port))
      return socket
    }
    self.context = context
    signer = Signer(key: connection.key)
    shell = try connected(.dealer, connection.shellPort, session)
    stdin = try connected(.dealer, connection.stdinPort, session)
    control = try connected(.dealer, connection.controlPort)
    iopub = try connected(.sub, connection.iopubPort)
    heartbeat = try connected(.req, connection.heartbeatPort)
    let welcome = try nextOnIOPub()
    #expect(welcome.type == "iopub_welcome")
    #expect(welcome.content["subscription"] == .string(topic))
  }

  deinit {
    for socket in [shell, control, stdin, iopub, heartbeat] {
      // A session that has ended takes nothing more: waiting for it would cost every test the whole linger.
      socket.lingerNot()
      socket.close()
    }
    context.terminate()
  }

  private func socket(_ channel: Channel) -> Socket {
    switch channel {
    case .shell: shell
    case .control: control
    case .stdin: stdin
    }
  }

  // MARK: Sending

  /// - Returns: the id of the message.
  @discardableResult
  func send(
    _ type: String, _ content: JSONValue = .object([:]), on channel: Channel = .shell, subshell: String? = nil
  ) throws -> String {
    let (id, frames) = try message(type, content, subshell: subshell)
    try send(frames, on: channel)
    return id
  }

  func send(_ frames: [Data], on channel: Channel = .shell) throws { try socket(channel).send(frames) }

  func message(
    _ type: String, _ content: JSONValue = .object([:]), subshell: String? = nil
  ) throws -> (id: String, frames: [Data]) {
    var header = MessageHeader(
      id: UUID().uuidString, type: type, session: session, username: "tester", date: "", version: "5.5")
    header.subshellID = subshell
    let encoder = JSONEncoder()
    let parts = [
      try encoder.encode(header), Data("{}".utf8), Data("{}".utf8), try encoder.encode(content),
    ]
    return (header.id, [IncomingMessage.delimiter, Data(signer.signature(of: parts))] + parts)
  }

  @discardableResult
  func execute(_ code: String, _ fields: [String: JSONValue] = [:], subshell: String? = nil) throws -> String {
    try send(
      "execute_request", .object(fields.merging(["code": .string(code)]) { _, code in code }), subshell: subshell)
  }

  // MARK: Receiving

  func next(on channel: Channel, within limit: Duration = .seconds(10)) throws -> Received {
    try read(socket(channel), "\(channel)", limit)
  }

  func nextOnIOPub(within limit: Duration = .seconds(10)) throws -> Received { try read(iopub, "iopub", limit) }

  /// The reply to `id`, and what IOPub says of it up to `idle`, statuses included.
  func outcome(of id: String, on channel: Channel = .shell) throws -> (reply: Received, published: [Received]) {
    let reply = try next(on: channel)
    #expect(reply.parent == id)
    return (reply, try published(of: id))
  }

  func published(of id: String) throws -> [Received] {
    var messages: [Received] = []
    while true {
      let message = try nextOnIOPub()
      guard message.parent == id else { continue }
      messages.append(message)
      if message.content["execution_state"] == .string("idle") { return messages }
    }
  }

  /// Whether nothing comes: proved by a question that is answered afterwards on the same channel.
  func expectNothingBut(_ question: String, on channel: Channel = .shell) throws {
    let id = try send(question, on: channel)
    let reply = try next(on: channel)
    #expect(reply.parent == id, "an answer to something else came: \(reply.type)")
  }

  func beat(_ payload: String) throws -> String {
    try heartbeat.send([Data(payload.utf8)])
    guard try !Socket.poll([heartbeat], timeout: .seconds(10)).isEmpty, let frames = try heartbeat.receive() else {
      throw TimedOut(description: "no heartbeat")
    }
    return String(decoding: frames[0], as: UTF8.self)
  }

  private func read(_ socket: Socket, _ name: String, _ limit: Duration) throws -> Received {
    guard try !Socket.poll([socket], timeout: limit).isEmpty, let frames = try socket.receive() else {
      throw TimedOut(description: "nothing on \(name) within \(limit)")
    }
    let message = try IncomingMessage(frames: frames, signer: signer, replays: &replays)
    // What the session sends carries four dictionaries: the parent is the second of them.
    let split = try #require(frames.firstIndex(of: IncomingMessage.delimiter))
    let parent = try JSONDecoder().decode(JSONValue.self, from: frames[split + 3])
    return Received(
      topic: message.identities.first ?? Data(), header: message.header, parent: parent["msg_id"]?.string,
      content: try message.content(as: JSONValue.self))
  }
}

/// A session with a fake runner on ipc sockets in a folder of its own.
final class TestSession {
  let connection: ConnectionFile
  let runner = FakeRunner()
  let session: Session
  private let folder: URL
  let log = RecordedLog()

  init(history: History? = nil, key: String = "a key") throws {
    // Short: the path of an ipc socket has at most 107 bytes.
    folder = URL(filePath: "/tmp/icl-\(UUID().uuidString.prefix(13))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    connection = ConnectionFile(
      transport: .ipc, ip: folder.appending(path: "k").path, shellPort: 1, iopubPort: 2, stdinPort: 3,
      controlPort: 4, heartbeatPort: 5, key: key)
    session = try Session(
      connection: connection, runner: runner, history: history,
      description: .init(implementationVersion: "0", languageVersion: "6.3", banner: "test"), log: log.logger)
    session.start()
  }

  deinit {
    session.stop()
    try? FileManager.default.removeItem(at: folder)
  }

  func client(topic: String = "", queue: Int32 = 0) throws -> TestClient {
    try TestClient(connection, topic: topic, queue: queue)
  }
}
