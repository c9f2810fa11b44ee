internal import Foundation

/// What Jupyter tells a kernel about its sockets, as the connection file holds it.
package struct ConnectionFile: Sendable, Equatable, Decodable {
  package enum Transport: String, Sendable, Decodable { case tcp, ipc }

  package var transport: Transport
  package var ip: String
  package var shellPort: Int
  package var iopubPort: Int
  package var stdinPort: Int
  package var controlPort: Int
  package var heartbeatPort: Int
  package var signatureScheme: String
  package var key: String

  enum CodingKeys: String, CodingKey {
    case transport, ip, key
    case shellPort = "shell_port"
    case iopubPort = "iopub_port"
    case stdinPort = "stdin_port"
    case controlPort = "control_port"
    case heartbeatPort = "hb_port"
    case signatureScheme = "signature_scheme"
  }

  package init(
    transport: Transport = .tcp, ip: String = "127.0.0.1", shellPort: Int, iopubPort: Int, stdinPort: Int,
    controlPort: Int, heartbeatPort: Int, signatureScheme: String = "hmac-sha256", key: String
  ) {
    self.transport = transport
    self.ip = ip
    self.shellPort = shellPort
    self.iopubPort = iopubPort
    self.stdinPort = stdinPort
    self.controlPort = controlPort
    self.heartbeatPort = heartbeatPort
    self.signatureScheme = signatureScheme
    self.key = key
  }

  /// Reads and checks a connection file.
  /// - Throws: ``KernelError`` that names the file, and the key in it, that is missing or wrong.
  package init(contentsOf path: String) throws(KernelError) {
    let data: Data
    do { data = try Data(contentsOf: URL(filePath: path)) } catch {
      throw KernelError(
        .connectionFile, "the connection file cannot be read", at: path, expected: "a JSON file written by Jupyter",
        found: "\(error.localizedDescription)", nextStep: "start the kernel from Jupyter, or pass its connection file")
    }
    do { self = try JSONDecoder().decode(ConnectionFile.self, from: data) } catch {
      throw KernelError(
        .connectionFile, "the connection file is not complete", at: path,
        expected: "transport, ip, key, signature_scheme and five ports", found: Self.explain(error))
    }
    guard signatureScheme == "hmac-sha256" || key.isEmpty else {
      throw KernelError(
        .connectionFile, "the signature scheme is not supported", at: path, expected: "hmac-sha256",
        found: signatureScheme)
    }
    let ports = [shellPort, iopubPort, stdinPort, controlPort, heartbeatPort]
    if transport == .tcp, let bad = ports.first(where: { !(0...65535).contains($0) }) {
      throw KernelError(
        .connectionFile, "a port is out of range", at: path, expected: "0 to 65535", found: "\(bad)")
    }
  }

  /// The address that libzmq binds for one port.
  package func address(port: Int) -> String {
    switch transport {
    case .tcp: "tcp://\(ip.contains(":") ? "[\(ip)]" : ip):\(port)"
    case .ipc: "ipc://\(ip)-\(port)"
    }
  }

  /// A warning when others may read the key in the file, or when the sockets are open to other machines.
  package func warnings(path: String) -> [String] {
    var warnings: [String] = []
    if let mode = try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int,
      mode & 0o077 != 0
    {
      warnings.append(
        "others can read the key in \(path) (mode \(String(mode, radix: 8))); expected 600: chmod 600 it")
    }
    if transport == .tcp, ip == "0.0.0.0" || ip == "*" || ip == "::" {
      warnings.append("the connection file asks to listen on every interface (\(ip)); loopback is safer")
    }
    return warnings
  }

  private static func explain(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "no \"\(key.stringValue)\""
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is of another type"
    case DecodingError.dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "not JSON" : "an unknown value of \"\(context.codingPath.map(\.stringValue).joined(separator: "."))\""
    default: "\(error)"
    }
  }
}
