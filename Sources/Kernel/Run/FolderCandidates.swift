import Foundation
import Glibc

/// The places that ``UserFolders`` tries, in their order, as the environment names them.
struct FolderCandidates: Sendable {
  private let environment: [String: String]
  private let workingDirectory: String

  init(environment: [String: String], workingDirectory: String) {
    self.environment = environment
    self.workingDirectory = workingDirectory
  }

  private func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// A variable of the kernel's own may hold a relative path: it begins at the working directory.
  private func chosen(_ name: String) -> String? {
    variable(name).map { path in
      let expanded = (path as NSString).expandingTildeInPath
      return expanded.hasPrefix("/") ? expanded : "\(workingDirectory)/\(expanded)"
    }
  }

  /// The folders for temporary files.
  private var temporary: [String] {
    [variable("TMPDIR"), "/tmp", "/var/tmp", variable("XDG_RUNTIME_DIR"), "/dev/shm"].compactMap { $0 }.unique
  }

  var sessions: [String] { (temporary + caches.map { $0 + "/sessions" } + [workingDirectory]).unique }

  var caches: [String] {
    [
      chosen("ICL_CACHE"), variable("XDG_CACHE_HOME").map { $0 + "/icl-kernel" },
      home.map { $0 + "/.cache/icl-kernel" },
    ].compactMap { $0 }.unique
  }

  /// Files.
  var histories: [String] {
    [
      chosen("ICL_HISTORY"), variable("XDG_DATA_HOME").map { $0 + "/icl-kernel/history.sqlite" },
      home.map { $0 + "/.local/share/icl-kernel/history.sqlite" },
    ].compactMap { $0 }.unique
  }

  /// `HOME`, else what the password file has, as Python and git have it.
  private var home: String? {
    if let home = variable("HOME") { return home }
    guard let entry = getpwuid(geteuid()), let path = entry.pointee.pw_dir else { return nil }
    return String(cString: path)
  }

  /// A folder of this user alone beside the sessions' folders; `nil` where none can be had.
  func privateFolder(in sessions: String?) -> String? {
    guard let sessions, temporary.contains(sessions) else { return nil }
    let folder = "\(sessions)/icl-kernel-\(geteuid())"
    return FolderTrial.faultOfPrivate(folder) == nil ? folder : nil
  }

  /// SwiftPM, clang and git write in the home and give up where that can't be done: they get another one.
  func toolVariables(shelter: String?) -> [String: String] {
    let caches = variable("XDG_CACHE_HOME") ?? home.map { $0 + "/.cache" }
    guard let shelter, caches.flatMap({ FolderTrial.fault(of: $0, for: .writing) }) != nil || variable("HOME") == nil
    else { return [:] }
    var variables = ["HOME": shelter, "XDG_CACHE_HOME": shelter + "/.cache"]
    // What the user has told git can still be read.
    if let settings = home.map({ $0 + "/.gitconfig" }), access(settings, R_OK) == 0 {
      variables["GIT_CONFIG_GLOBAL"] = variable("GIT_CONFIG_GLOBAL") ?? settings
    }
    return variables
  }
}

extension [String] {
  /// Each once, at its first place.
  fileprivate var unique: [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
