internal import Foundation
internal import Glibc

/// Who knows the key in the connection file may run code as its owner: the file and the sockets are the owner's alone.
extension ConnectionFile {
  /// Takes away others' rights to the file. What can't be set right is refused, unless the user has told Jupyter to
  /// live with it.
  /// - Parameter acceptsOpenFile: as `JUPYTER_ALLOW_INSECURE_WRITES` says, for file systems that know no rights.
  /// - Returns: what the user should know.
  /// - Throws: ``KernelError`` when others can read the key and the file's mode can't be changed.
  package func secure(path: String, acceptsOpenFile: Bool) throws(KernelError) -> [String] {
    var warnings: [String] = []
    if let mode = Self.mode(path), mode & S_IFMT == S_IFREG, mode & 0o077 != 0 {
      let was = String(mode & 0o777, radix: 8)
      let isMended = chmod(path, mode & 0o700) == 0 && Self.mode(path).map { $0 & 0o077 == 0 } == true
      guard isMended || acceptsOpenFile else {
        throw KernelError(
          .connectionFile, "others can read the key in the connection file, and its mode cannot be changed", at: path,
          expected: "mode 600", found: "mode \(was)",
          nextStep: "chmod 600 it; where the file system knows no modes, set JUPYTER_ALLOW_INSECURE_WRITES=1")
      }
      warnings.append(
        isMended
          ? "others could read the key in \(path) (mode \(was)); it is mode 600 now. Who made it should do so: it "
            + "lets others run code as you"
          : "others can read the key in \(path) (mode \(was)), as JUPYTER_ALLOW_INSECURE_WRITES allows")
    }
    switch transport {
    case .tcp:
      if !Self.isLoopback(ip) {
        warnings.append("the connection file asks to listen at \(ip), for other machines; loopback is safer")
      }
    case .ipc:
      let folder = (ip as NSString).deletingLastPathComponent
      if let mode = Self.mode(folder.isEmpty ? "." : folder), mode & 0o022 != 0, mode & mode_t(S_ISVTX) == 0 {
        warnings.append(
          "others can put sockets of their own into \(folder.isEmpty ? "the working directory" : folder) "
            + "(mode \(String(mode & 0o777, radix: 8))); expected 700")
      }
    }
    return warnings
  }

  private static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode : nil
  }

  private static func isLoopback(_ ip: String) -> Bool {
    ip == "localhost" || ip == "::1" || ip.wholeMatch(of: /127(\.\d{1,3}){3}/) != nil
  }
}
