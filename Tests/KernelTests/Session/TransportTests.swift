import Fixtures
import Foundation
import Kernel
import Testing

struct TransportTests {
  /// The path of an ipc socket has at most 107 bytes.
  private static func shortFolder() throws -> URL {
    let folder = URL(filePath: "/tmp/icl-\(UUID().uuidString.prefix(13))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  // Pairs made for this test alone (zmq_curve_keypair).
  private static let server = CurveKeys(
    public: #"Ly@^BZ-DFBoD$x[3hH!^MXfNtA84NUtOt*zIfvo9"#, secret: #"xBQC<IYB3t@cc047:CKq<9(rV@12FeG4Tc58CLP["#)
  private static let client = CurveKeys(
    public: #"k)KIdsUlyMp-dbksLi@tt4o@krBH8J(}Q[/m<>9Y"#, secret: #"xz7Y3N%E2z5%ychjNGU{{n#niyb+yprjLnapALIu"#)
  private static let stranger = CurveKeys(
    public: #"G%?bv=s&0ZP4/XkdvA?]A2%YtKh1J*ek^&CHpb=s"#, secret: #"3/D<8P->.}59:KbFu@hY1z7YTid1*9D?Pi$Ub<fE"#)

  @Test func `a heartbeat is encrypted when the connection file has keys, and silent to who does not know them`() throws
  {
    let folder = try Self.shortFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var file = ConnectionFile(
      transport: .ipc, ip: folder.appending(path: "k").path, shellPort: 1, iopubPort: 2, stdinPort: 3,
      controlPort: 4, heartbeatPort: 5, key: "a secret")
    file.curvePublicKey = Self.server.public
    file.curveSecretKey = Self.server.secret
    let session = try Session(
      connection: file, runner: FakeRunner(), history: nil,
      description: .init(implementationVersion: "0", languageVersion: "6", banner: "toy"),
      log: RecordedLog().logger)
    session.start()
    defer { session.stop() }

    let context = try SocketContext()
    defer { context.terminate() }
    func answers(within timeout: Duration, _ prepare: (Socket) throws -> Void) throws -> Bool {
      let socket = try Socket(.dealer, in: context)
      defer { socket.close() }
      socket.lingerNot()
      try prepare(socket)
      try socket.connect(file.address(port: file.heartbeatPort))
      try socket.send([Data("ping".utf8)])
      return try !Socket.poll([socket], timeout: timeout).isEmpty
    }
    #expect(try answers(within: .seconds(5)) { try $0.connectEncrypted(with: Self.client, to: Self.server.public) })
    // Half a second is many round trips of a local socket (well under a millisecond each).
    #expect(try !answers(within: .milliseconds(500)) { _ in })
    #expect(
      try !answers(within: .milliseconds(500)) { try $0.connectEncrypted(with: Self.client, to: Self.stranger.public) })
  }

  @Test func `half a pair of encryption keys is refused, and the error says which file`() throws {
    let folder = try Fixtures.temporaryFolder("half")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "kernel.json").path
    let json = """
      {"transport":"tcp","ip":"127.0.0.1","key":"k","signature_scheme":"hmac-sha256","shell_port":0,"iopub_port":0,
       "stdin_port":0,"control_port":0,"hb_port":0,"curve_publickey":"\(String(repeating: "a", count: 40))"}
      """
    try Data(json.utf8).write(to: URL(filePath: path))
    let error = #expect(throws: KernelError.self) { try ConnectionFile(contentsOf: path) }
    #expect(error?.description.contains(path) == true)
    #expect(error?.description.contains("one of the two") == true)
  }

  private static let hasIPv6 = (try? String(contentsOfFile: "/proc/net/if_inet6", encoding: .utf8))?.isEmpty == false

  @Test(.enabled(if: hasIPv6, "this machine has no IPv6")) func `an IPv6 loopback address can be bound`() throws {
    let context = try SocketContext()
    defer { context.terminate() }
    let socket = try Socket(.router, in: context)
    defer { socket.close() }
    let file = ConnectionFile(
      ip: "::1", shellPort: 0, iopubPort: 0, stdinPort: 0, controlPort: 0, heartbeatPort: 0, key: "k")
    try socket.bind(file.address(port: 0))
    #expect(socket.boundAddress.hasPrefix("tcp://[::1]:"))
  }
}
