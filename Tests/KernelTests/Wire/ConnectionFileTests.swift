import Fixtures
import Foundation
import Kernel
import Testing

@Suite struct ConnectionFileTests {
  private static var whole: [String: Any] {
    [
      "transport": "tcp", "ip": "127.0.0.1", "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4,
      "hb_port": 5, "signature_scheme": "hmac-sha256", "key": "abc", "kernel_name": "swift-icl",
    ]
  }

  private func read(_ text: String, mode: Int = 0o600) throws -> (ConnectionFile, [String]) {
    let folder = try Fixtures.temporaryFolder("connection")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "kernel.json").path
    let isWritten = FileManager.default.createFile(
      atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: mode])
    try #require(isWritten)
    let file = try ConnectionFile(contentsOf: path)
    let warnings = try file.secure(path: path, acceptsOpenFile: false)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    return (file, warnings)
  }

  private func json(_ changes: [String: Any?] = [:]) throws -> String {
    var fields = Self.whole
    for (key, value) in changes { fields[key] = value }
    return String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
  }

  @Test func `a file as Jupyter writes it gives five addresses`() throws {
    let (file, warnings) = try read(try json())
    #expect(file.address(port: file.shellPort) == "tcp://127.0.0.1:1")
    #expect(file.address(port: file.heartbeatPort) == "tcp://127.0.0.1:5")
    #expect(file.key == "abc")
    #expect(warnings.isEmpty)
  }

  @Test func `ipc joins path and number with a hyphen, IPv6 goes into brackets`() throws {
    let (ipc, _) = try read(try json(["transport": "ipc", "ip": "/run/user/kernel"]))
    #expect(ipc.address(port: 2) == "ipc:///run/user/kernel-2")
    let (six, _) = try read(try json(["ip": "::1"]))
    #expect(six.address(port: 2) == "tcp://[::1]:2")
  }

  @Test(arguments: ["transport", "ip", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port", "key"])
  func `a missing key is named`(key: String) throws {
    var fields = Self.whole
    fields[key] = nil
    let text = String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
    let error = try #require(throws: KernelError.self) { try read(text) }
    #expect(error.found == "no \"\(key)\"")
    #expect(error.location?.hasSuffix("kernel.json") == true)
  }

  @Test func `wrong values are named`() throws {
    func found(_ changes: [String: Any?]) throws -> String? {
      let text = try json(changes)
      return try #require(throws: KernelError.self) { try read(text) }.found
    }
    #expect(try found(["shell_port": "1"]) == "\"shell_port\" is of another type")
    #expect(try found(["transport": "udp"]) == "an unknown value of \"transport\"")
    #expect(try found(["iopub_port": 70_000]) == "70000")
    #expect(try found(["signature_scheme": "hmac-md5"]) == "hmac-md5")
  }

  @Test func `text that is no JSON and a file that is not there are told apart`() throws {
    #expect(try #require(throws: KernelError.self) { try read("{") }.found == "not JSON")
    let absent = try #require(throws: KernelError.self) { try ConnectionFile(contentsOf: "/nowhere/kernel.json") }
    #expect(absent.what == "the connection file cannot be read")
  }

  @Test func `a key that others can read is made private, and an open interface is warned about`() throws {
    let (_, readable) = try read(try json(), mode: 0o644)
    #expect(readable.count == 1 && readable[0].contains("mode 644"))
    for ip in ["0.0.0.0", "*", "::", "192.168.1.5"] {
      let (_, open) = try read(try json(["ip": ip]))
      #expect(open.count == 1 && open[0].contains("loopback"), "\(ip)")
    }
    for ip in ["127.0.0.1", "127.1.2.3", "localhost", "::1"] { #expect(try read(try json(["ip": ip])).1.isEmpty) }
  }

  /// A file of Linux itself whose mode not even root can change stands for a file system without modes.
  @Test func `a file that cannot be made private is refused, unless the user has accepted that`() throws {
    let (file, _) = try read(try json())
    let path = "/proc/sys/kernel/ostype"
    let error = try #require(throws: KernelError.self) { try file.secure(path: path, acceptsOpenFile: false) }
    #expect(error.location == path)
    #expect(error.nextStep?.contains("JUPYTER_ALLOW_INSECURE_WRITES") == true)
    let accepted = try file.secure(path: path, acceptsOpenFile: true)
    #expect(accepted.count == 1 && accepted[0].contains("JUPYTER_ALLOW_INSECURE_WRITES"))
  }

  @Test func `a folder of sockets into which others write is warned about`() throws {
    let folder = try Fixtures.temporaryFolder("sockets")
    defer { try? FileManager.default.removeItem(at: folder) }
    for (mode, count) in [(0o700, 0), (0o1777, 0), (0o777, 1), (0o770, 1)] {
      #expect(chmod(folder.path, mode_t(mode)) == 0)
      let (_, warnings) = try read(try json(["transport": "ipc", "ip": folder.appending(path: "k").path]))
      #expect(warnings.count == count, "\(String(mode, radix: 8))")
    }
  }
}
