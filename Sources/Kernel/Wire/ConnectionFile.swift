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
  /// Keys for CurveZMQ, when Jupyter asks for encryption: the pair serves the kernel and its clients alike.
  package var curvePublicKey: String?
  package var curveSecretKey: String?

  /// `nil` without encryption.
  package var curve: CurveKeys? {
    guard let curvePublicKey, let curveSecretKey else { return nil }
    return CurveKeys(public: curvePublicKey, secret: curveSecretKey)
  }

  enum CodingKeys: String, CodingKey {
    case transport, ip, key
    case shellPort = "shell_port"
    case iopubPort = "iopub_port"
    case stdinPort = "stdin_port"
    case controlPort = "control_port"
    case heartbeatPort = "hb_port"
    case signatureScheme = "signature_scheme"
    case curvePublicKey = "curve_publickey"
    case curveSecretKey = "curve_secretkey"
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
    // Half a pair must not mean that the sockets are silently open.
    let keys = [curvePublicKey, curveSecretKey].compactMap { $0 }
    guard keys.isEmpty || (keys.count == 2 && keys.allSatisfy { $0.utf8.count == 40 }) else {
      throw KernelError(
        .connectionFile, "the keys for encryption are not a pair", at: path,
        expected: "curve_publickey and curve_secretkey, 40 characters each (Z85)",
        found: keys.count == 2 ? "keys of \(keys.map(\.utf8.count)) characters" : "one of the two")
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

/// A CurveZMQ key pair, each key in Z85 (40 characters).
package struct CurveKeys: Sendable, Equatable {
  package var `public`: String
  package var secret: String
  package init(public publicKey: String, secret: String) {
    self.public = publicKey
    self.secret = secret
  }
}
